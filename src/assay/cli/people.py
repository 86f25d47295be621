"""What the commands about people share: the index, and who is at the keyboard."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.cli.settings import Settings
    from assay.store.index import Index

PERSON = "ASSAY_PERSON"


def this_person() -> str:
    """Who types: `$ASSAY_PERSON`, else the account of this machine. A claim of whoever can write the index anyway."""
    if named := os.environ.get(PERSON):
        return named
    from getpass import getuser  # noqa: PLC0415

    try:
        return getuser()
    except (OSError, KeyError) as error:
        raise UsageError("this account has no name", hint=f"set {PERSON}") from error


@contextmanager
def opened_index(settings: Settings) -> Iterator[Index]:
    """The index that the settings name; its data directory must be there.

    Raises:
        UsageError: when it is not.
    """
    from assay.store.index import Index  # noqa: PLC0415

    if settings.database_url.startswith("sqlite") and not Path(settings.data).is_dir():
        raise UsageError(f"no data directory: {settings.data}", hint="run `assay init`, or name it with --data")
    index = Index.open(settings.database_url)
    try:
        yield index
    finally:
        index.close()
