"""What every bench shares: a row is a ratio against a yardstick measured in the same run."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
ASSAY = [sys.executable, "-m", "assay.cli.main"]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: what was measured.
        ours: seconds of ours (or another unit, named in `what`).
        yardstick: what it is compared with.
        theirs: the yardstick's figure, same unit.
        target: the ratio asked for, with its direction (`≤ 1.3`).
        met: whether it was reached.
    """

    what: str
    ours: float
    yardstick: str
    theirs: float
    target: str
    met: bool

    def markdown(self) -> str:
        """As a table row."""
        ratio = self.ours / self.theirs
        mark = "yes" if self.met else "**no**"
        cells = (self.what, f"{self.ours:.3g}", self.yardstick, f"{self.theirs:.3g}", f"{ratio:.2f}", self.target, mark)
        return f"| {' | '.join(cells)} |"


def at_most(what: str, ours: float, yardstick: str, theirs: float, ratio: float) -> Row:
    """A row whose ratio ours/theirs should be at most `ratio` (less is better)."""
    return Row(what, ours, yardstick, theirs, f"≤ {ratio:g}", ours / theirs <= ratio)


def at_least(what: str, ours: float, yardstick: str, theirs: float, ratio: float) -> Row:
    """A row whose ratio ours/theirs should be at least `ratio` (more is better)."""
    return Row(what, ours, yardstick, theirs, f"≥ {ratio:g}", ours / theirs >= ratio)


def timed(action: Callable[[], object], *, repeat: int = 3) -> float:
    """Median wall-clock seconds of `repeat` calls."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def command(*arguments: str, env: dict[str, str] | None = None, ok: tuple[int, ...] = (0,)) -> None:
    """Run a command quietly; raise when its exit status is unexpected."""
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in ok:
        sys.exit(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def replace_section(name: str, text: str) -> None:
    """Replace what stands between the markers `<!-- NAME:begin -->` and `<!-- NAME:end -->` of docs/benchmarks.md."""
    page = ROOT / "docs" / "benchmarks.md"
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, rest = page.read_text("utf-8").split(begin)
    _, after = rest.split(end)
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", "utf-8")
