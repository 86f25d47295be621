"""Attacks on a guest in gVisor, from an interpreter without frameworks: each start then takes a second."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from tests.sandbox.attack import poisoned

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import io, json, os, sys
from assay.core.errors import AssayError
from assay.sandbox.guest import GuestLimits
from assay.sandbox.gvisor_guest import GvisorGuest
os.environ["ASSAY_TEST_CANARY"] = "seen"
limits = GuestLimits(memory_bytes=1 << 29, cpu_seconds=20, scratch_bytes=1 << 20, output_bytes=1 << 20,
                     start_seconds=180)
asked, out = json.load(sys.stdin), []
with GvisorGuest("assay.workers.loader", limits, **asked["arguments"]) as guest:
    for code, seconds in asked["attacks"]:
        try:
            with guest.session([("attack.pkl", io.BytesIO(bytes.fromhex(code)))]) as session:
                task = {"loader": "pickle", "path": "/model/attack.pkl", "root": "/model"}
                done = session.task(task, seconds)
                home = guest._bundle.home
        except AssayError as error:
            out.append({"error": str(error), "hint": error.hint})
            continue
        out.append({"layers": session.layers, "reasons": session.reasons, "output": done.output, "ended": done.ended,
                    "bytes": done.output_bytes, "left": home.exists(), "nested": guest.nested, "lost": guest.lost,
                    "attempts": [[a.kind, a.target, a.detail] for a in done.attempts]})
print(json.dumps(out))
"""


def strike_gvisor(
    python: Path, *attacks: str, seconds: float = 20, user: bool = False, arguments: dict | None = None
) -> list[dict]:
    """Load poisoned pickles, each in a container of its own, and tell what became of each.

    Args:
        python: the light interpreter.
        attacks: code of each.
        seconds: wall time of each.
        user: as an ordinary user.
        arguments: further ones of the guest.
    """
    command = [str(python), "-I", "-B", "-c", PROGRAM]
    if user and os.getuid() == 0:
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
    asked = {"attacks": [[poisoned(code).hex(), seconds] for code in attacks], "arguments": arguments or {}}
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, timeout=240 + 60 * len(attacks), check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kinds(told: dict, *names: str) -> list[str]:
    """Targets of the recorded attempts of some kinds, in order."""
    return [target for kind, target, _ in told["attempts"] if kind in names]
