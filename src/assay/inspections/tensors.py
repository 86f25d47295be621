"""Tensors, one by one: their digests, their fingerprints, and whose they are.

What it reads: every tensor of safetensors, PyTorch and GGUF files, once; the declared base in the card and in
`adapter_config.json`; the weights of every model that went through admission here.
What it reports: a declared base that shares no weights with the model; weights that are those of another known model,
or nearly, without that being declared.
Why it matters: a base is a claim. A "fine-tune" that shares nothing with its base inherits none of its trust, and a
copy of a known model under another name is how look-alikes and tampered checkpoints are passed on.
What it cannot see: copies whose neurons were permuted, whose matrices were transposed, or that were trained for very
long; models that never went through admission here; tensors of less than 4,096 elements.
References: https://huggingface.co/docs/hub/model-cards#specifying-a-base-model; Charikar, STOC 2002.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from assay.core.canonical import json_digest
from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.core.weights import Relative, TensorRow
from assay.formats.tensor_list import READABLE, tensors_in
from assay.formats.tensor_place import chunks
from assay.formats.tensor_sketch import sketch
from assay.inspections.declared import Declared, read_declared

if TYPE_CHECKING:
    from assay.core.digest import Digest
    from assay.core.inspector import Subject
    from assay.core.ranges import Ranges
    from assay.formats.tensor_place import Place
    from assay.inspections.parts import Collector, Part

MOST_LISTED = 20_000  # tensors of one file that are listed; all of them are in its root
_SHARED = 0.3  # fraction of the weights from which two models are related
_COPY = 0.999
_OVERLAPS = 8  # times the file's size that all tensors together may have: shared ones are read once for each name
_PAIRS = 2  # tensors of the same shape that a base and its fine-tune must have, before that says anything


class Inventory(Protocol):
    """What is known about other models' weights."""

    def relatives(self, rows: tuple[TensorRow, ...], besides: Digest, name: str) -> tuple[Relative, ...]:
        """Models with like weights that were known before `name`, nearest first, other than `besides`."""
        ...

    def compare(self, rows: tuple[TensorRow, ...], name: str, besides: Digest) -> tuple[Relative, ...]:
        """Every model published under that name, like or not."""
        ...


class Tensors:
    """The inspector `tensors`."""

    name = "tensors"
    version = "1"

    def __init__(self, inventory: Inventory | None = None) -> None:
        """Without an inventory it lists, and compares with nothing."""
        self._inventory = inventory
        self._rows: list[TensorRow] = []
        self._subject: Subject | None = None

    def begin(self, subject: Subject, _out: Collector) -> None:
        """Kept for the end."""
        self._subject = subject

    def wants(self, part: Part) -> bool:
        """Whole weight files."""
        return not part.inner and not READABLE.isdisjoint(part.formats)

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Hash and fingerprint each tensor; what can't be read as tensors is the other inspectors' business."""
        try:
            places = tensors_in(part.stream, part.size, part.formats, part.limits)
        except ContentError as error:
            out.fact_here("not_listed", str(error)[:300])
            return
        if sum(place.size for place in places) > _OVERLAPS * part.size:
            out.fact_here("not_listed", "its tensors overlap too often")
            return
        known = self._known(part.path)
        rows = []
        for place in places:
            digest = known.get((place.start, place.size), "") if not place.stride else ""
            digest = digest or _digest(part.stream, place)
            values = (place.name, place.dtype, place.shape, place.elements, digest, sketch(part.stream, place))
            rows.append(TensorRow(part.path, *values))
        self._rows += rows[:MOST_LISTED]
        listed = [[r.name, r.dtype, list(r.shape), r.sha256, r.sketch] for r in rows[:MOST_LISTED]]
        root = json_digest(sorted([r.name, r.dtype, list(r.shape), r.sha256] for r in rows))
        out.fact_here("tensors", {"count": len(rows), "root": root.hex, "list": listed})

    def _known(self, path: str) -> Ranges:
        """Digests that were taken while the file was stored."""
        if self._subject is None or not self._subject.ranges:
            return {}
        entry = self._subject.snapshot.entry(path)
        return self._subject.ranges.get(entry.digest, {}) if entry else {}

    def finish(self, out: Collector) -> None:
        """Compare with what is known."""
        if self._subject is None:
            return
        declared = read_declared(self._subject)
        if declared.bases or declared.datasets:
            out.fact("declared", declared.to_json())
        if self._inventory is None or not self._rows:
            return
        rows, own = tuple(self._rows), self._subject.snapshot.id
        claimed = self._subject.snapshot.origin.name
        near = [one for one in self._inventory.relatives(rows, own, claimed) if one.similar >= _SHARED]
        verdicts = {base: self._base(base, rows, own, declared, out) for base in declared.bases}
        if verdicts:
            out.fact("bases", verdicts)
        if near:
            out.fact("relatives", [_told(one) for one in near[:20]])
        self._undeclared(near, declared, claimed, out)

    def _base(self, base: str, rows: tuple[TensorRow, ...], own: Digest, declared: Declared, out: Collector) -> str:
        """`proven`, `refuted`, or why nothing can be said."""
        known = self._inventory.compare(rows, base, own) if self._inventory else ()
        if not known:
            return "unknown here"
        best = max(known, key=lambda one: one.similar)
        if best.similar >= _SHARED:
            return "proven"
        if declared.adapter or best.comparable < _PAIRS:
            return "nothing to compare"
        if best.similar > 0:
            return "shares little"
        message = (
            f"it is said to come from {base[:200]!r}, and none of {best.comparable} tensors of the same shape is like "
            "one of that model"
        )
        out.finding("base-refuted", Severity.MEDIUM, Confidence.HIGH, message, base=base[:200], snapshot=best.snapshot)
        return "refuted"

    @staticmethod
    def _undeclared(near: list[Relative], declared: Declared, claimed: str, out: Collector) -> None:
        """The nearest model, unless it is declared or the same name; of one that declares the same base, that."""
        stated = {base.lower() for base in declared.bases}
        for one in near:
            names = {name.lower() for name in one.names}
            if names & stated:
                return
        for one in near[:1]:
            if not one.names or claimed.lower() in {name.lower() for name in one.names}:
                return
            kind = "the weights of" if one.equal >= _COPY else "nearly the weights of"
            message = (
                f"{one.similar:.0%} of its weights are {kind} {one.names[0][:200]!r} ({one.equal:.0%} bit for bit), "
                "which it does not name as its base"
            )
            shared = [base for base in one.bases if base.lower() in stated]
            if not shared or one.equal >= _COPY:
                out.finding("parent-undeclared", Severity.LOW, Confidence.HIGH, message, **_told(one))
                return
            message += (
                f"; both are said to come from {shared[0][:200]!r}: they are siblings, or one was made of the other"
            )
            out.finding(
                "parent-undeclared", Severity.LOW, Confidence.LOW, message, **_told(one), siblings_of=shared[:20]
            )


def _digest(stream: BinaryIO, place: Place) -> str:
    digest = hashlib.sha256()
    for chunk in chunks(stream, place):
        digest.update(chunk)
    return digest.hexdigest()


def _told(one: Relative) -> dict[str, Any]:
    return {
        "snapshot": one.snapshot,
        "names": list(one.names[:20]),
        "equal": round(one.equal, 4),
        "similar": round(one.similar, 4),
    }
