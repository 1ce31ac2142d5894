"""What a reading process may do, set once and for good: little memory, no network, no programs, no files but its own.

Two walls, each of which any Linux user may put up around himself: Landlock (kernel 5.13) for files, seccomp for the
network. Where a kernel has neither, what is left is that only one driver is registered, and the limits.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import platform
import re
import resource
import signal
import struct
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["confine", "end_with", "find_memory", "limit_memory", "list_variables"]

log = logging.getLogger("geoserver")

_GIB = 1 << 30
_SECRET = re.compile(r"DATABASE_URL|^PG|PASSWORD|SECRET|TOKEN|KEY", re.IGNORECASE)
_NO_NEW_PRIVILEGES, _DEATH_SIGNAL = 38, 1  # prctl
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock's calls have one number everywhere
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_WRITE = (1 << 1) | (1 << 4) | (1 << 5) | (1 << 7) | (1 << 8)  # write, remove folder and file, make folder and file
_FILES_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights on files a version of Landlock knows
_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals
_NETWORK_ABI, _SCOPE_ABI = 4, 6
_CALLS = {  # socket, execve, execveat, ptrace, process_vm_readv, process_vm_writev, io_uring_setup
    "x86_64": (0xC000003E, (41, 59, 322, 101, 310, 311, 425)),
    "aarch64": (0xC00000B7, (198, 221, 281, 117, 270, 271, 425)),
}
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo")


def list_variables() -> dict[str, str]:
    """Variables that a reading process is started with: none of those that hold secrets."""
    return {name: value for name, value in os.environ.items() if not _SECRET.search(name)}


def find_memory() -> int:
    """Bytes that a reading process may take unless told otherwise."""
    return max(_GIB, min(4 * _GIB, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2))


def limit_memory(memory: int) -> None:
    """No more memory than that, and no core file of what was in it."""
    for kind, wanted in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (most, most))


def end_with(parent: int) -> None:
    """End at once when the process that started this one is gone, however that ended and whatever this one does.

    Linux alone knows how; elsewhere it ends when it has something to say.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def confine(files: Iterable[Path], folder: Path, *, folders: Iterable[Path] = ()) -> None:
    """From here on only `files`, what is in `folders` and libraries can be read, only `folder` written, and no one
    reached.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return
    for wall, up in (("Landlock", _close_files(libc, files, folder, folders)), ("seccomp", _close_network(libc))):
        if not up:
            log.debug("this kernel has no %s: a reading process is less confined", wall)


def _close_files(libc: ctypes.CDLL, files: Iterable[Path], folder: Path, folders: Iterable[Path]) -> bool:
    abi = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if abi < 1:
        return False
    rights = (1 << _FILES_OF_ABI.get(abi, 16)) - 1
    attributes = [rights, _TCP if abi >= _NETWORK_ABI else 0, _SCOPES if abi >= _SCOPE_ABI else 0]
    size = 8 if abi < _NETWORK_ABI else 16 if abi < _SCOPE_ABI else 24
    ruleset = libc.syscall(_CREATE_RULESET, struct.pack("3Q", *attributes), size, 0)
    if ruleset < 0:
        return False
    package = Path(__file__).resolve().parents[1]
    paths = sysconfig.get_paths()
    libraries = [*_LIBRARIES, *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))]
    for path in (package, *map(Path, libraries), *folders):
        _allow(libc, ruleset, path, _READ_FILE | _READ_DIR)
    for path in files:
        _allow(libc, ruleset, path, _READ_FILE)
    _allow(libc, ruleset, folder, _READ_FILE | _READ_DIR | _WRITE | (rights & (1 << 14)))
    _allow(libc, ruleset, Path("/dev/null"), _READ_FILE | (1 << 1))
    _allow(libc, ruleset, Path("/dev/urandom"), _READ_FILE)
    done: bool = libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """A rule for a file or for all under a folder; rights on folders are no rights on files."""
    try:
        number = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= _READ_FILE | (1 << 1) | (1 << 14)
        libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, number), 0)
    finally:
        os.close(number)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _close_network(libc: ctypes.CDLL) -> bool:
    """Refuse sockets, new programs and a look into other processes, by a filter of system calls."""
    if platform.machine() not in _CALLS:
        return False
    architecture, calls = _CALLS[platform.machine()]
    load, equal, above, give = 0x20, 0x15, 0x35, 0x06  # of classic BPF
    refuse, allow = 0x00050000 | 1, 0x7FFF0000  # EPERM
    lines = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, refuse), (load, 0, 0, 0)]
    lines += [(above, 0, 1, 0x40000000), (give, 0, 0, refuse)]  # calls of another convention (x32)
    for number in calls:
        lines += [(equal, 0, 1, number), (give, 0, 0, refuse)]
    lines.append((give, 0, 0, allow))
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    program = _Program(len(lines), code)
    return bool(libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
