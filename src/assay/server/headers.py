"""Headers of a request, read off its scope: names are in lower case there, and every request asks for a few of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a header; `name` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None


def has(scope: Scope, name: bytes) -> bool:
    """Whether there is such a header."""
    return header(scope, name) is not None


def text(scope: Scope, name: bytes) -> str:
    """The same as text, as HTTP has it (latin-1); empty when there is none."""
    return (header(scope, name) or b"").decode("latin-1")
