"""A process that vets a path and kills itself at a given point; started by test_spine_killed.py.

Usage: killed.py DATA PATH POINT, where POINT is `module:attribute:call:when`: at the n-th call of `module.attribute`,
`before` it or `after` it. Nothing in assay itself knows of such points.
"""

from __future__ import annotations

import os
import signal
import sys
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


if __name__ == "__main__":
    world = World(Path(sys.argv[1]))
    arm(sys.argv[3])
    print(world.vet(sys.argv[2]).verdict.decision.value)
