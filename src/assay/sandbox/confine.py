"""Confine this very process, then run a worker in it: `python -I -m assay.sandbox.confine MODULE [SETTINGS]`.

MODULE is imported first, while files can still be opened. Then come resource limits, no_new_privs, non-dumpable and the
seccomp filter, each tried rather than believed: the report that `MODULE.main(layers)` gets says which are active.
SETTINGS is a JSON object with `memory_bytes`, `cpu_seconds` and `descriptors`.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
from importlib import import_module

from assay.core.errors import SandboxError, UsageError
from assay.sandbox import seccomp

Layers = dict[str, bool | str]

_DESCRIPTORS = 32  # the socket, a few files passed over it, standard streams
_SET_BY_PYTHON = {"LC_CTYPE"}  # locale coercion (PEP 538)
LAYER_NAMES = ("rlimits", "no_new_privs", "not_dumpable", "seccomp", "no_open", "no_socket", "empty_environment")


def limit_resources(memory_bytes: int, cpu_seconds: int, descriptors: int = _DESCRIPTORS) -> bool:
    """Set hard limits of address space, CPU time, descriptors, and none at all for files written, children and cores.

    The soft CPU limit is the worker's to move, up to the hard one. NPROC does nothing for uid 0 (the filter does it).
    """
    wanted = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: descriptors,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for name, value in wanted.items():
        hard = resource.getrlimit(name)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(name, (bound, bound))
        except (OSError, ValueError):
            return False
    return True


def _open_fails() -> bool:
    try:
        os.close(os.open("/", os.O_RDONLY))
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _socket_fails() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def confine(memory_bytes: int, cpu_seconds: int, descriptors: int = _DESCRIPTORS) -> Layers:
    """Give up every right that a computing child does not need. There is no way back.

    Returns:
        Layer name → active, as found by trying; `seccomp_reason` when the filter is not there.
    """
    empty = set(os.environ) <= _SET_BY_PYTHON
    limited = limit_resources(memory_bytes, cpu_seconds, descriptors)
    privileges = seccomp.no_new_privileges()
    dumpable = seccomp.not_dumpable()
    reason = seccomp.install()
    no_open, no_socket = _open_fails(), _socket_fails()
    layers: Layers = {
        "rlimits": limited,
        "no_new_privs": privileges,
        "not_dumpable": dumpable,
        "seccomp": not reason and no_open and no_socket,
        "no_open": no_open,
        "no_socket": no_socket,
        "empty_environment": empty,
    }
    if reason:
        layers["seccomp_reason"] = reason
    return layers


def require(layers: Layers, names: tuple[str, ...]) -> None:
    """Fail closed when a layer that policy asks for is missing.

    Raises:
        SandboxError: names the missing layers.
    """
    missing = [name for name in names if layers.get(name) is not True]
    if missing:
        reason = layers.get("seccomp_reason", "")
        msg = f"sandbox layers not active: {', '.join(missing)}{f' ({reason})' if reason else ''}"
        raise SandboxError(msg, hint="run on a kernel with seccomp, or allow an unconfined reading in the policy")


def main(argv: list[str]) -> int:
    """Import the worker, confine, run it."""
    if not argv or not argv[0].startswith("assay.workers."):
        msg = "usage: python -I -m assay.sandbox.confine assay.workers.NAME [SETTINGS]"
        raise UsageError(msg)
    settings = json.loads(argv[1]) if len(argv) > 1 else {}
    worker = import_module(argv[0])
    layers = confine(
        int(settings.get("memory_bytes", 1 << 30)),
        int(settings.get("cpu_seconds", 60)),
        int(settings.get("descriptors", _DESCRIPTORS)),
    )
    status: int = worker.main(layers)
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
