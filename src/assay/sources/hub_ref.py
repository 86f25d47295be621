"""Names of models on a hub, as people type them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from assay.core.errors import UsageError
from assay.core.name import check_name

SCHEME = "hf://"


@dataclass(frozen=True, slots=True)
class HubRef:
    """A model on a hub.

    Attributes:
        name: `org/name`, or one part alone.
        revision: branch, tag or commit.
    """

    name: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `hf://org/name[@revision]`.

        Raises:
            UsageError: when it is none.
        """
        if not text.startswith(SCHEME):
            raise UsageError(f"not a hub reference: {text[:200]!r}", hint="like hf://org/name@revision")
        name, _, revision = text.removeprefix(SCHEME).partition("@")
        revision = revision or "main"
        if len(revision) > 255 or not revision.isprintable() or ".." in revision:  # noqa: PLR2004
            raise UsageError(f"not a revision: {revision[:200]!r}", hint="a branch, tag or commit")
        return cls(check_name(name), revision)

    def __str__(self) -> str:
        """`hf://org/name@revision`."""
        return f"{SCHEME}{self.name}@{self.revision}"
