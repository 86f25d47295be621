"""A place in a configuration that names code. Facts, no judgement."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


@dataclass(frozen=True, slots=True)
class CodeReference:
    """A place in a configuration that names code.

    Attributes:
        kind: `auto-map`, `pipeline`, `module-path`, `target`, `trust`, `library`, `kernel`, `registered`, `path`,
            `command`, `expression`.
        key: path of keys in the document.
        value: as stated.
        repository: the other repository it points to, empty for this one.
        module: module file (without `.py`) or dotted path.
    """

    kind: str
    key: str
    value: str
    repository: str = ""
    module: str = ""


def dotted(text: str) -> bool:
    """Whether text is a dotted Python path."""
    return _DOTTED.fullmatch(text) is not None
