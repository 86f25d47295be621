"""Make text from a model safe to show: names and messages never reach a terminal raw."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, *, limit: int = 500) -> str:
    r"""Replace control, format (bidi, zero-width), surrogate and unassigned characters by `\xNN`/`\uNNNN` escapes.

    A backslash stays as it is, so the result is for reading, not for parsing back. Longer text than `limit` characters
    is cut with an ellipsis that says how much is missing.
    """
    shown = text[:limit]
    if not shown.isascii() or not shown.isprintable():
        shown = "".join(_escape(ch) if unicodedata.category(ch) in _HIDDEN else ch for ch in shown)
    rest = len(text) - limit
    return f"{shown}… (+{rest} characters)" if rest > 0 else shown


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
