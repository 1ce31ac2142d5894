"""The servers that ours is measured beside: tipg, martin and pg_tileserv over PostGIS, nginx over files.

Those over PostGIS read a view of the points' table that shows `fid`, the columns that our tiles carry, and `geom_3857`
(indexed, and the quickest for them). They keep no tiles, and run otherwise as they come, with
the limits on rows that they have.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import quote

import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from benchmarks.drive import pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.frame import Context
    from geoserver.model import Layer, Tile

__all__ = ["Peer", "build_keywords", "drop_view", "find_nginx", "serve_files", "serve_peers"]

_SCHEMA = "bench"
_TIPG = Path(__file__).parent.parent / ".setup" / "tipg" / "bin" / "python"
_FOLDERS = ("~/.cargo/bin", "~/go/bin", "/usr/sbin")  # where their installers put them, beside the PATH


@dataclass(frozen=True)
class Peer:
    """A running server and the address of a tile there, with {z}, {x} and {y}."""

    name: str
    url: str
    template: str
    version: str = ""

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}".rstrip()

    def path(self, tile: Tile) -> str:
        return self.template.format(z=tile.z, x=tile.x, y=tile.y)


@contextlib.contextmanager
def serve_peers(context: Context, layer: Layer) -> Iterator[list[Peer]]:
    """Those that are installed, running; a note says which are not, or did not start."""
    _make_view(context.database_url, layer)
    found: list[Peer] = []
    try:
        with contextlib.ExitStack() as stack:
            for start in (_serve_tipg, _serve_martin, _serve_tileserv):
                try:
                    if peer := stack.enter_context(start(context, layer)):
                        found.append(peer)
                        context.versions[peer.name] = peer.version
                except Exception as error:  # a peer that fails must not cost the figures of the others
                    context.note(f"peers: {start.__name__.removeprefix('_serve_')} did not start: {error}")
            yield found
    finally:
        drop_view(context.database_url)


def _make_view(database_url: str, layer: Layer) -> None:
    drop_view(database_url)
    columns = [Identifier(name) for name in ("fid", *layer.tile_fields, "geom_3857")]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(_SCHEMA)))
        connection.execute(
            SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(
                Identifier(_SCHEMA, layer.table), SQL(", ").join(columns), Identifier("layers", layer.table)
            )
        )


def drop_view(database_url: str) -> None:
    """Remove what the peers read; a table with a view on it cannot be loaded anew."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(_SCHEMA)))


@contextlib.contextmanager
def _serve_tipg(context: Context, layer: Layer) -> Iterator[Peer | None]:
    if not _TIPG.is_file():
        context.note("peers: tipg is not installed (sh setup.sh peers)")
        yield None
        return
    port = _free_port()
    command = [str(_TIPG), "-m", "uvicorn", "tipg.main:app", "--port", str(port), "--log-level", "warning"]
    environment = {"DATABASE_URL": _build_url(context.database_url), "TIPG_DB_SCHEMAS": f'["{_SCHEMA}"]'}
    template = f"/collections/{_SCHEMA}.{layer.table}/tiles/WebMercatorQuad/{{z}}/{{x}}/{{y}}"
    with _running("tipg", command, context, port=port, ready="/healthz", environment=environment) as url:
        version = _say([str(_TIPG), "-c", "from importlib.metadata import version as v; print(v('tipg'))"])
        yield Peer("tipg", url, template, version)


@contextlib.contextmanager
def _serve_martin(context: Context, layer: Layer) -> Iterator[Peer | None]:
    if (program := _find("martin")) is None:
        context.note("peers: martin is not installed (docs/benchmarks.md says how)")
        yield None
        return
    port = _free_port()
    kinds = {"text": "text", "timestamp": "timestamptz", "number": "float8", "integer": "int8", "boolean": "bool"}
    table = {
        "schema": _SCHEMA,
        "table": layer.table,
        "srid": 3857,
        "geometry_column": "geom_3857",
        "id_column": "fid",
        "geometry_type": "POINT",
        "properties": {name: kinds.get(layer.fields[name].type, "text") for name in layer.tile_fields},
    }
    postgres = {
        "connection_string": _build_url(context.database_url),
        "auto_publish": False,
        "tables": {layer.id: table},
    }
    configuration = context.folder / "martin.yaml"  # JSON is YAML
    configuration.write_bytes(orjson.dumps({"postgres": postgres}))
    command = [program, "--config", str(configuration), "--listen-addresses", f"127.0.0.1:{port}", "--cache-size", "0"]
    with _running("martin", command, context, port=port, ready="/health", environment={"RUST_LOG": "warn"}) as url:
        version = _say([program, "--version"]).split()[-1]
        yield Peer("martin", url, f"/{layer.id}/{{z}}/{{x}}/{{y}}", version)


@contextlib.contextmanager
def _serve_tileserv(context: Context, layer: Layer) -> Iterator[Peer | None]:
    if (program := _find("pg_tileserv")) is None:
        context.note("peers: pg_tileserv is not installed (docs/benchmarks.md says how)")
        yield None
        return
    port = _free_port()
    configuration = context.folder / "pg_tileserv.toml"
    configuration.write_text(f'HttpHost = "127.0.0.1"\nHttpPort = {port}\nCacheTTL = 0\n', encoding="ascii")
    command = [program, "--config", str(configuration)]
    environment = {"DATABASE_URL": build_keywords(context.database_url)}
    with _running("pg_tileserv", command, context, port=port, ready="/index.json", environment=environment) as url:
        version = _say([program, "--version"]).split()[-1]
        yield Peer("pg_tileserv", url, f"/{_SCHEMA}.{layer.table}/{{z}}/{{x}}/{{y}}.pbf", version)


def find_nginx() -> str | None:
    return _find("nginx")


@contextlib.contextmanager
def serve_files(context: Context, bodies: Sequence[bytes], encoding: str, cores: str = "") -> Iterator[Peer]:
    """nginx with one worker process over those bytes as files `/0.mvt`, `/1.mvt`, ...; no log, no compressing."""
    program = find_nginx()
    assert program
    folder = context.folder / "nginx"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "files").mkdir(parents=True)
    for number, body in enumerate(bodies):
        (folder / "files" / f"{number}.mvt").write_bytes(body)
    port = _free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, port=port, encoding=encoding, user=_user()), encoding="utf-8")
    command = [*pin(cores), program, "-p", str(folder), "-c", str(configuration)]
    command += ["-e", str(folder / "error.log")]
    with _running("nginx", command, context, port=port, ready="/0.mvt") as url:
        said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
        context.versions["nginx"] = said.strip().rpartition("/")[2]
        yield Peer("nginx", url, "")


_NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
events {{ worker_connections 512; }}
http {{
    types {{ application/vnd.mapbox-vector-tile mvt; }}
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
        add_header Content-Encoding {encoding};
        add_header Cache-Control "public, max-age=0, must-revalidate";
        add_header Vary Accept-Encoding;
    }}
}}
"""


def _user() -> str:
    return "user root;" if os.getuid() == 0 else ""  # else the worker could not read the scratch folder


@contextlib.contextmanager
def _running(
    name: str, command: list[str], context: Context, *, port: int, ready: str, environment: dict[str, str] | None = None
) -> Iterator[str]:
    """The server's address, once it answers there; ended at the end."""
    with (context.folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | (environment or {}))
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(lambda: _answers(url + ready), process, log.name)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}; see {log}")
        if is_ready():
            return
        time.sleep(0.1)
    raise RuntimeError(f"it did not answer within 30 s; see {log}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False


def _find(name: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), *(str(Path(folder).expanduser()) for folder in _FOLDERS)])
    return shutil.which(name, path=path)


def _build_url(database_url: str) -> str:
    """The address as a URL whose host may be a socket's folder, as asyncpg and Rust's driver read it."""
    parts = {name: quote(value, safe="") for name, value in _read_parts(database_url).items()}
    password = f":{parts['password']}" if "password" in parts else ""
    host = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"
    return f"postgresql://{parts.get('user', '')}{password}@{host}/{parts['dbname']}"


def build_keywords(database_url: str) -> str:
    """The address as keywords, for Go's driver, which takes no percent-encoded socket in a URL."""
    return make_conninfo(**_read_parts(database_url))


def _read_parts(database_url: str) -> dict[str, str]:
    """What every driver knows: where the database is, and who asks."""
    known = ("host", "port", "user", "password", "dbname")
    return {name: str(value) for name, value in conninfo_to_dict(database_url).items() if name in known}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _say(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.strip() or done.stderr.strip() or "?").splitlines()[-1]
