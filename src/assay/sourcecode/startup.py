"""Files whose lines a program runs when it starts in the folder: debuggers, editors, R, desktops.

Sources: GDB "Command files", LLDB "Configuration files", Python's `pdb`, Vim `exrc`, Emacs "Directory variables", R
`Startup`, freedesktop.org "Desktop Entry Specification".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.sourcecode.automation import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = r"!|(?:shell|python|pipe|make|source|script|platform\s+shell|command\s+script\s+import)\b"
_R_CALLS = r"system2?|shell|source|eval|download\.file|dyn\.load|url|install\.packages"
_DEBUGGER = re.compile(rf"^[ \t]*(?:{_WORDS})[^\n]*", re.MULTILINE)
_EDITOR = re.compile(r"^[ \t]*:?(?:!|au(?:tocmd)?\b|[^\n\"]*\b(?:system|libcall)\()[^\n]*", re.MULTILINE)
_PYTHON = re.compile(r"^[^\n#]*\b(?:import|exec|eval|open)\b[^\n]*", re.MULTILINE)
_STARTS = {
    ".gdbinit": ("a debugger starts in the folder", _DEBUGGER),
    ".lldbinit": ("a debugger starts in the folder", _DEBUGGER),
    ".pdbrc": ("Python's debugger starts in the folder", _PYTHON),
    ".exrc": ("an editor starts in the folder", _EDITOR),
    "vimrc": ("an editor starts in the folder", _EDITOR),
    ".dir-locals.el": ("Emacs opens a file of the folder", re.compile(r"\(\s*eval\s+\.[^\n]*")),
    ".rprofile": ("R starts in the folder", re.compile(rf"^[^\n#]*\b(?:{_R_CALLS})\s*\([^\n]*", re.MULTILINE)),
    ".desktop": ("somebody opens it on a desktop", re.compile(r"^Exec\s*=[^\n]*", re.MULTILINE)),
}


def startup_commands(path: str, text: str) -> Iterator[Command] | None:
    """The lines of such a file that run something; None when the file is none."""
    base = path.rpartition("/")[2].lower()
    found = next((found for ending, found in _STARTS.items() if base.endswith(ending)), None)
    return _commands(*found, text) if found else None


def _commands(when: str, pattern: re.Pattern[str], text: str) -> Iterator[Command]:
    for match in pattern.finditer(text):
        yield Command(when, match[0].strip())
