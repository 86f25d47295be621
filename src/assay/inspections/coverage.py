"""What was read and what was not.

What it reads: the outcome of the walk itself: every file, every nested part, and who took it.
What it reports: bytes that no inspector reads, formats that are not known, limits that were reached, extensions that
promise something else than the content is.
Why it matters: a scanner that is silent about what it did not open is believed about it.
What it cannot see: whether an inspector that took a part understood it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.sniff import extension
from assay.inspections.parts import NO_FORMAT
from assay.inspections.passive import PASSIVE, RUNS

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.inspections.parts import Collector, Part

_BOMB_LIMITS = frozenset(("expansion_ratio", "expanded_bytes", "members", "depth"))


class Coverage:
    """The inspector `format`: nothing is passed over in silence."""

    name = "format"
    version = "1"

    local = True

    def begin(self, subject: Subject, out: Collector) -> None:
        """State the number of files."""
        out.fact("files", len(subject.snapshot.files))

    def wants(self, part: Part) -> bool:
        """Everything."""
        del part
        return True

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Note the readings, and an extension that promises something else."""
        if not part.inner:
            out.fact_here("formats", list(part.formats))
        if part.formats and part.expected and not part.expected.intersection(part.formats):
            runs = [reading for reading in part.formats if reading in RUNS]
            severity = Severity.MEDIUM if runs else Severity.LOW
            if part.formats == ("empty",):
                if "text" in part.expected:
                    return
                severity = Severity.NOTE
                out.unread(f"empty, though named {extension(part.name)}: there is nothing to read")
            out.finding(
                "extension-disagrees",
                severity,
                Confidence.HIGH,
                f"named {extension(part.name)}, but the content is {(runs or part.formats)[0]}",
                formats=list(part.formats),
            )

    def walked(self, part: Part, unclaimed: tuple[str, ...], out: Collector) -> None:
        """Leave out what nobody read."""
        for reading in unclaimed:
            if reading in PASSIVE:
                continue
            if reading == "git-lfs-pointer":
                out.unread("a Git LFS pointer: the file itself is not here")
            elif reading:
                out.unread(f"the content is {reading}, which no inspector reads")
            else:
                out.unread(f"{NO_FORMAT} ({_describe(part)})")

    def unreachable(self, reason: str, limit: str, out: Collector) -> None:
        """Leave out what could not be opened; a limit that was reached is a finding too."""
        out.unread(reason)
        if limit in _BOMB_LIMITS:
            out.finding(
                "archive-limit",
                Severity.MEDIUM,
                Confidence.MEDIUM,
                f"stopped at the limit {limit!r}: {reason}",
                limit=limit,
            )


def _describe(part: Part) -> str:
    part.stream.seek(0)
    head = part.stream.read(8)
    return f"{part.size} bytes starting {head.hex(' ')}"
