"""The licence that is declared.

What it reads: the front matter of `README.md` and files named LICENSE.
What it reports: that no licence is declared.
Why it matters: without one nobody may use the model; who admits it should know.
What it cannot see: whether the declared licence is the true one, or fits the data the model was trained on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.inspections.parts import Collector, Part

_NAMES = re.compile(r"(?:licen[cs]e|copying|notice)(?:[.\-_][\w.\-]*)?$", re.IGNORECASE)
_DECLARED = re.compile(r"^license(?:_name)?:\s*['\"]?([\w.+\- ]+?)['\"]?\s*$", re.MULTILINE)
_CARD_BYTES = 1 << 16


class Licence:
    """The inspector `licence`."""

    name = "licence"
    version = "1"

    def __init__(self) -> None:
        self._declared: list[str] = []
        self._files: list[str] = []
        self._whole = True

    def begin(self, subject: Subject, out: Collector) -> None:
        """Single files have no card to declare anything in."""
        del out
        self._whole = subject.snapshot.origin.kind != "file"

    def wants(self, part: Part) -> bool:
        """Cards and licence files at any level of the snapshot, not inside containers."""
        base = part.path.rsplit("/", 1)[-1]
        return not part.inner and "text" in part.formats and (base.lower() == "readme.md" or bool(_NAMES.match(base)))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Collect what is declared."""
        base = part.path.rsplit("/", 1)[-1]
        if base.lower() != "readme.md":
            self._files.append(part.path)
            return
        text = part.stream.read(_CARD_BYTES).decode("utf-8", "replace")
        if text.startswith("---") and (match := _DECLARED.search(text.split("\n---", 1)[0])):
            self._declared.append(match.group(1))
            out.fact("declared", self._declared)

    def finish(self, out: Collector) -> None:
        """Report that nothing is declared."""
        out.fact("files", self._files)
        if self._whole and not self._declared and not self._files:
            out.finding(
                "licence-missing",
                Severity.NOTE,
                Confidence.HIGH,
                "no licence is declared, neither in a model card nor in a LICENSE file",
            )
