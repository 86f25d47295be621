"""What the driver of a GPU needs of the sandbox, beyond its device nodes: its libraries, and what it does as it starts.

libcuda gives up (error 304) unless it may read a few files of the kernel, name its threads through /proc, make a file
without a name and listen on a socket without a path. Nothing of /proc and /sys is there in a guest: the supervisor
opens such a file itself, and lends the guest the descriptor. The socket lies in the guest's own network namespace.

Only what stands here differs for a guest with a GPU; the rest of the recorder's judgement is the same.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "libcuda.so.1"
_FOLDERS = (  # of the driver's library: apart in containers, WSL and NixOS, else with the other libraries
    "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/run/opengl-driver/lib",
    "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
)  # fmt: skip
_OWN = r"/proc/(?:self|thread-self|\d+)/"
_OWN_FILE = re.compile(rf"{_OWN}(maps|status|stat|statm)")
_THREAD_NAME = re.compile(rf"{_OWN}(?:task/\d+/)?comm")
_KERNEL_FILE = re.compile(
    r"/proc/(?:cpuinfo|meminfo|devices|modules|version|stat|sys/vm/(?:mmap_min_addr|overcommit_memory|max_map_count)|"
    r"driver/nvidia(?:-uvm)?/[\w.:/-]+)|/sys/devices/system/(?:cpu|node|memory)/[\w.:/-]+|"
    r"/sys/bus/pci/devices/[\da-f]{4,8}:[\da-f]{2}:[\da-f]{2}\.\d/(?:class|device|local_cpulist|numa_node|vendor)"
)
_SOCKET = re.compile(r"unix:@cuda-uvmfd-[-\w]*")  # over which processes hand their unified memory on; nobody is there
# Looked for by the driver and never there: a service that shares a GPU, a debugger's file, other nodes, settings.
_ABSENT = re.compile(
    r"(?:unix:)?/tmp/nvidia-mps/.*|/dev/shm/cuda[.\w-]*|/dev/nvidia[\w/-]*|"
    r"(?:/etc|/usr/share|/scratch|/tmp)/(?:\.nv|nvidia)/nvidia-application-profile.*"
)


@dataclass(frozen=True)
class Loan:
    """A file that the supervisor opens in a guest's stead.

    Attributes:
        path: on the host.
        writing: open it to write.
    """

    path: str
    writing: bool = False


def loan(path: str, pid: int, *, writing: bool) -> Loan | None:
    """What is lent to a guest that opens `path`; None: nothing.

    Args:
        path: absolute, without `.` and `..`, as the guest names it.
        pid: the caller, as numbered outside; what it calls its own process is this one.
        writing: whether it wants to write: the name of a thread goes to /dev/null, and nothing else.
    """
    if writing:
        return Loan("/dev/null", writing=True) if _THREAD_NAME.fullmatch(path) else None
    if own := _OWN_FILE.fullmatch(path):
        return Loan(f"/proc/{pid}/{own[1]}")
    return Loan(path) if _KERNEL_FILE.fullmatch(path) else None


def open_loan(lent: Loan) -> int:
    """A descriptor of it, close-on-exec.

    Raises:
        OSError: it is not there, or not a file that everybody may read.
    """
    if lent.writing:
        return os.open(lent.path, os.O_WRONLY | os.O_CLOEXEC)
    descriptor = os.open(lent.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        return descriptor
    os.close(descriptor)
    raise PermissionError(13, "not a file that everybody may read", lent.path)


def own_socket(address: str) -> bool:
    """Whether the driver listens on an address of this name (`memory.address_text`)."""
    return _SOCKET.fullmatch(address) is not None


def looked_for(what: str) -> bool:
    """Whether the driver looks for this path or address itself, in vain: refused, and not told of the model."""
    return _ABSENT.fullmatch(what) is not None


def driver_folders(folders: tuple[str, ...] = _FOLDERS) -> tuple[str, ...]:
    """Where the driver's library really lies, links followed; empty when none is found."""
    for folder in folders:
        library = Path(folder) / LIBRARY
        if library.exists():
            return tuple(dict.fromkeys((folder, str(library.resolve().parent))))
    return ()
