"""What changed from one revision to another: files, tensors, findings, verdict, lines of small configurations."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from assay.core.errors import UsageError
from assay.core.name import check_name
from assay.registry.people import may
from assay.registry.weights import Weights
from assay.server.access import actor_of, model_thing
from assay.server.pages.model import case_of
from assay.server.pages.render import page, wanted
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.core.finding import Finding
    from assay.core.snapshot import FileEntry, Snapshot
    from assay.server.pages.model import Case
    from assay.store.blobs import Blobs

MOST_TEXT: Final = 64 << 10  # bytes of a file whose lines are compared
_MOST_TENSORS: Final = 200  # that are shown
_MOST_TEXTS: Final = 10  # files
_MOST_COMPARED: Final = 1000  # lines on each side, without those that are the same at both ends
_MOST_LINES: Final = 2000  # that are shown
_CONTEXT: Final = 3  # lines around a change
_HUNK: Final = re.compile(r"^@@ -(\d+)((?:,\d+)?) \+(\d+)((?:,\d+)?) @@$")
_TEXTS: Final = (".json", ".jinja", ".md", ".py", ".txt", ".yaml", ".yml", ".toml")


@dataclass(frozen=True, slots=True)
class Change:
    """One path that is not the same on both sides; `old` or `new` is None when it is only on the other."""

    path: str
    old: FileEntry | None
    new: FileEntry | None

    @property
    def change(self) -> str:
        """In one word."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"


@dataclass(frozen=True, slots=True)
class TensorChange:
    """A tensor that is not the same on both sides: type and shape on each (empty: not there), and what differs."""

    name: str
    change: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Tensors:
    """What differs in the weights of two revisions.

    Attributes:
        known: whether the tensors of both were listed when they were looked at.
        changes: the first of them, by name.
        counts: how many of each kind, and how many are the same.
    """

    known: bool
    changes: list[TensorChange]
    counts: dict[str, int]


def diff_page(request: Request) -> Response:
    """`/{name}/-/diff?from=&to=`; without them the two newest revisions."""
    registry, name = registry_of(request), check_name(target_of(request).name)
    revisions = registry.catalog.revisions(name)
    if not revisions:
        raise UsageError(f"{name} has no revision here")
    newest = revisions[0]
    new = case_of(registry, name, wanted(request, "to") or newest.revision)
    old = case_of(registry, name, wanted(request, "from") or newest.parent or newest.revision)
    changes = changes_of(old.snapshot, new.snapshot)
    # Lines are content: for those who may pull it, of what is served.
    readable = old.served and new.served and may(actor_of(request), "pull", model_thing(registry, name))
    shown = [one for one in changes if readable and one.path.lower().endswith(_TEXTS)]
    return page(
        request,
        "diff.html",
        name=name,
        revisions=revisions,
        old=old,
        new=new,
        changes=changes,
        same=len(new.snapshot.files) - sum(one.new is not None for one in changes),
        gained=_besides(new, old),
        lost=_besides(old, new),
        tensors=tensors_of(Weights(registry.catalog.index), old.snapshot, new.snapshot),
        texts=[(one.path, lines_of(registry.blobs, one)) for one in shown[:_MOST_TEXTS]],
    )


def changes_of(old: Snapshot, new: Snapshot) -> list[Change]:
    """Paths that are not the same, sorted."""
    paths = sorted({entry.path for entry in (*old.files, *new.files)})
    pairs = [Change(path, old.entry(path), new.entry(path)) for path in paths]
    return [one for one in pairs if one.old is None or one.new is None or one.old.digest != one.new.digest]


def tensors_of(weights: Weights, old: Snapshot, new: Snapshot) -> Tensors:
    """The tensors that differ, by what was recorded of them; their bytes are not read here."""
    before, after = weights.recorded(old.id), weights.recorded(new.id)
    changes: list[TensorChange] = []
    counts = dict.fromkeys(("added", "removed", "other shape", "other type", "other values", "same"), 0)
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name, ()), after.get(name, ())
        change = _tensor_change(one, other)
        counts[change] += 1
        if change != "same" and len(changes) < _MOST_TENSORS:
            changes.append(TensorChange(name, change, _kind(one), _kind(other)))
    return Tensors(bool(before) and bool(after), changes, counts)


def _tensor_change(old: tuple[str, ...], new: tuple[str, ...]) -> str:
    if old == new:
        return "same"
    if not old or not new:
        return "removed" if old else "added"
    (types, shapes), (new_types, new_shapes) = (
        [{value.split()[place] for value in values} for place in (0, 1)] for values in (old, new)
    )
    if shapes != new_shapes:
        return "other shape"
    return "other values" if types == new_types else "other type"


def _kind(values: tuple[str, ...]) -> str:
    return ", ".join(sorted({" ".join(value.split()[:2]) for value in values}))


def lines_of(blobs: Blobs, change: Change) -> list[str] | None:
    """The difference of two files, taken as lines of text and no more; None when there is too much to compare."""
    sides = [entry for entry in (change.old, change.new) if entry is not None]
    if any(entry.size > MOST_TEXT for entry in sides):
        return None
    old, new = (_lines(blobs, entry) for entry in (change.old, change.new))
    # Comparing takes the square of the lines: what is the same at both ends is cut off first, and the rest is bounded.
    most = min(len(old), len(new))
    head = next((at for at in range(most) if old[at] != new[at]), most)
    tail = next((at for at in range(most - head) if old[-1 - at] != new[-1 - at]), most - head)
    if most and max(len(old), len(new)) - head - tail > _MOST_COMPARED:
        return None
    start, end = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    before, after = (side[start : len(side) - end] for side in (old, new))
    found = difflib.unified_diff(before, after, lineterm="", n=_CONTEXT)
    return [_shifted(line, start) for line in islice(found, 2, _MOST_LINES)]  # without the two lines that name files


def _shifted(line: str, by: int) -> str:
    """A hunk's head with the numbers that its lines have in the whole file."""
    return _HUNK.sub(lambda found: f"@@ -{int(found[1]) + by}{found[2]} +{int(found[3]) + by}{found[4]} @@", line)


def _lines(blobs: Blobs, entry: FileEntry | None) -> list[str]:
    if entry is None:
        return []
    with blobs.open(entry.digest) as stream:
        return stream.read(MOST_TEXT).decode("utf-8", "replace").split("\n")


def _besides(one: Case, other: Case) -> list[Finding]:
    """Findings of `one` that `other` does not have, the worst first."""
    known = {(found.rule, found.message, found.where.file) for each in other.evidence for found in each.findings}
    found = [found for each in one.evidence for found in each.findings]
    new = [each for each in found if (each.rule, each.message, each.where.file) not in known]
    return sorted(new, key=lambda each: (-each.severity, each.rule, each.where.file))[:200]
