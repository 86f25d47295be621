"""SHA-256 digests, the only identity that assay knows."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from assay.core.errors import UsageError

_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A SHA-256 digest.

    Attributes:
        hex: 64 lower-case hexadecimal digits.
    """

    hex: str

    def __post_init__(self) -> None:
        if not _HEX64.fullmatch(self.hex):
            msg = f"not a SHA-256 in lower-case hex: {self.hex[:80]!r}"
            raise UsageError(msg)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Digest of `data`."""
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sha256:<hex>` or bare hex.

        Raises:
            UsageError: for anything else.
        """
        return cls(text.removeprefix("sha256:"))

    def __str__(self) -> str:
        """`sha256:<hex>`."""
        return f"sha256:{self.hex}"
