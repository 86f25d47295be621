"""A process that runs a three-step toy workflow; started by test_engine.py and killed in the middle of a step.

Usage: toy.py DATABASE_URL NUMBER MODE [CONTEXT]. Each step appends a line to `steps` in the working directory. In the
step named by MODE `kill:<step>` the process kills itself; in `pause:<step>` it waits until the file `go` appears; in
`fail:<step>` the step raises an environment error. Prints the result as JSON; what it tells meanwhile is in `notices`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from assay.admission import leases
from assay.admission.engine import Engine, step
from assay.core.errors import AssayError, EnvironmentFault

MODE, _, WHERE = sys.argv[3].partition(":")


leases.RENEW_SECONDS, leases.LAPSE_SECONDS = 0.2, 2.0  # on PostgreSQL, whose tests would take half a minute each


def act(name: str, before: int) -> dict[str, int]:
    with Path("steps").open("a") as steps:
        steps.write(f"{name}\n")
    if name == WHERE:
        if MODE == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if MODE == "fail":
            raise EnvironmentFault("the disk is full")
        if MODE == "bug":
            raise ZeroDivisionError("a bug")
        while MODE == "pause" and not Path("go").exists():
            time.sleep(0.02)
    return {"sum": before + 1}


def workflow(request: dict[str, int]) -> dict[str, int]:
    total = request["start"]
    for name in ("one", "two", "three"):
        total = step(name, act, name, total)["sum"]
    return {"total": total}


def main() -> None:
    engine = Engine(sys.argv[1], "toy-1", workflow)
    context = sys.argv[4] if len(sys.argv) > 4 else "c"
    notices: list[str] = []

    def tell(notice: str) -> None:
        notices.append(notice)
        with Path("notices").open("a") as told:
            told.write(f"{notice}\n")

    try:
        if MODE == "all":
            result = [str(r) if isinstance(r, AssayError) else r for r in engine.carry_on_all(tell)]
        else:
            result = engine.run(f"toy-{sys.argv[2]}", context, {"start": 10}, tell)
        print(json.dumps({"result": result, "notices": notices}))
    except AssayError as error:
        print(json.dumps({"error": str(error), "kind": type(error).__name__, "notices": notices}))
    finally:
        engine.close()


if __name__ == "__main__":
    main()
