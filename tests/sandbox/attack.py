"""Run an attack inside a guest, and the same attack without one as a control. Harmless and bounded payloads only."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from assay.sandbox.guest import Guest
    from assay.sandbox.session import Done, Session

PREFACE = """
import ctypes, errno, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def tried(function, *arguments):
    try:
        return "worked" if function(*arguments) is not False else "failed"
    except OSError as error:
        return errno.errorcode.get(error.errno, "failed")
"""


class _Run:
    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self):
        return exec, (self.code, {})


def poisoned(code: str) -> bytes:
    """A pickle that runs `code` when it is loaded."""
    return pickle.dumps(_Run(PREFACE + textwrap.dedent(code)))


def strike(session: Session, *, root: str = "/model", seconds: float = 20) -> Done:
    """Load the poisoned pickle of a session."""
    return session.task({"loader": "pickle", "path": f"{root}/attack.pkl", "root": root}, seconds)


def attack(guest: Guest, code: str, *, seconds: float = 20, **files: bytes) -> Done:
    """Load a poisoned pickle in a fresh session."""
    model = [("attack.pkl", io.BytesIO(poisoned(code)))]
    model += [(name.replace("__", "."), io.BytesIO(data)) for name, data in files.items()]
    with guest.session(model) as session:
        return strike(session, root=guest.model_root, seconds=seconds)


def control(code: str, folder: Path, seconds: float = 20) -> str:
    """Load the same pickle without any sandbox, in `folder`; what it printed."""
    (folder / "attack.pkl").write_bytes(poisoned(code))
    program = "import pickle, sys; pickle.load(open('attack.pkl', 'rb')); sys.stdout.flush()"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=folder, capture_output=True, timeout=seconds, check=False,
        env=os.environ | {"ASSAY_TEST_CANARY": "seen"},
    )  # fmt: skip
    return done.stdout.decode("utf-8", "backslashreplace").strip()


def tried(done: Done, kind: str) -> list[str]:
    """Targets of the recorded attempts of one kind, in order."""
    return [attempt.target for attempt in done.attempts if attempt.kind == kind]


def printed(done: Done) -> str:
    """What the attack printed, its line ends escaped as the session shows them."""
    return done.output.replace("\\x0a", "\n").strip()
