"""Vets a path in a process that kills itself at a given point; run by test_spine_killed.py.

A point is `module:attribute:call:when`: at the n-th call of `module.attribute`,
`before` it or `after` it. Nothing in assay itself knows of such points.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module
from pathlib import Path

from tests.admission.world import World


def arm(point: str) -> None:
    module, attribute, call, when = point.split(":")
    owner = import_module(module)
    *outer, name = attribute.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    calls = 0

    def armed(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == int(call) and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls == int(call) and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, armed)


def vet_until(data: Path, path: Path, point: str) -> None:
    world = World(data)
    arm(point)
    print(world.vet(path).verdict.decision.value)
