"""A file that was agreed on: where it lies, and what its bytes must hash to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.digest import Digest
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pin:
    """A file by path and digest.

    Attributes:
        path: of the file.
        digest: what its bytes must hash to.
    """

    path: Path
    digest: Digest

    @classmethod
    def parse(cls, text: str, folder: Path, setting: str) -> Pin:
        """Read `PATH@sha256:HEX`.

        Args:
            text: as it stands in a setting.
            folder: that a relative path is taken from.
            setting: its name, for the error.

        Raises:
            UsageError: without a digest.
        """
        path, mark, digest = text.rpartition("@sha256:")
        if not mark or not path:
            raise UsageError(
                f"setting {setting}: no digest in {text!r}", hint="PATH@sha256:HEX, as sha256sum prints it"
            )
        return cls(folder / path, Digest.parse(digest))
