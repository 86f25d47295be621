"""The passphrase of the private keys: from the environment, or asked for on a terminal; never from a flag."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "ASSAY_KEY_PASSPHRASE"


def read_passphrase(keys: Path) -> str | None:
    """The passphrase for existing keys; None when they need none or nobody can be asked."""
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    if value := os.environ.get(VARIABLE):
        return value
    if not KeyRing.encrypted(keys) or not sys.stdin.isatty():
        return None
    from getpass import getpass  # noqa: PLC0415

    return getpass("Passphrase of the keys: ") or None


def new_passphrase(*, ask: bool) -> str | None:
    """The passphrase for new keys; None for keys without one.

    Raises:
        UsageError: when it is asked for where there is no terminal, is empty, or the repetition differs.
    """
    if value := os.environ.get(VARIABLE):
        return value
    if not ask:
        return None
    from getpass import getpass  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415

    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask for a passphrase on", hint=f"set {VARIABLE}")
    first = getpass("New passphrase: ")
    if not first or getpass("Again: ") != first:
        raise UsageError("the passphrase is empty, or the two differ", hint="nothing was made; try again")
    return first
