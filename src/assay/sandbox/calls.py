"""System call numbers and the groups of the guest's filter, from `data/`."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from assay.sandbox.seccomp import MACHINES, Machine

NEW_NAMESPACES = 0x7E02_0000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET


@dataclass(frozen=True)
class Calls:
    """What the guest's filter is made of, for one processor.

    Attributes:
        machine: architecture number and whether x32 numbers exist.
        numbers: name to number.
        allow: numbers that pass.
        absent: numbers that fail with ENOSYS.
        notify: number to (name, group) of what is put to the supervisor.
    """

    machine: Machine
    numbers: dict[str, int]
    allow: tuple[int, ...]
    absent: tuple[int, ...]
    notify: dict[int, tuple[str, str]]


@cache
def calls(processor: str = "") -> Calls | None:
    """The tables for `processor` (this one by default); None when there are none."""
    processor = processor or os.uname().machine
    machine = MACHINES.get(processor)
    if machine is None:
        return None
    data = files("assay.sandbox") / "data"
    numbers: dict[str, int] = tomllib.loads((data / "syscalls.toml").read_text("utf-8"))[processor]
    groups = tomllib.loads((data / "guest-calls.toml").read_text("utf-8"))
    notify = {
        numbers[name]: (name, group) for group, names in groups["notify"].items() for name in names if name in numbers
    }
    # Judged by their arguments in the filter; what it does not let pass is put to the supervisor under these names.
    notify |= {
        numbers[name]: (name, group)
        for name, group in (("clone", "fork"), ("socket", "network"), ("sendto", "network"), ("prctl", "escape"),
                            ("prlimit64", "escape"), ("ioctl", "escape"))
    }  # fmt: skip
    return Calls(
        machine=machine,
        numbers=numbers,
        allow=tuple(numbers[name] for name in groups["allow"] if name in numbers),
        absent=tuple(numbers[name] for name in groups["absent"] if name in numbers),
        notify=notify,
    )


@cache
def without_supervisor() -> frozenset[str]:
    """Names in the group `escape` that a filter refuses itself where nobody can be asked."""
    groups = tomllib.loads((files("assay.sandbox") / "data" / "guest-calls.toml").read_text("utf-8"))
    return frozenset(groups["alone"]["refuse"])
