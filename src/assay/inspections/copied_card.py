"""A card that is another publisher's, and a base whose terms the inventory knows.

What it reads: `README.md`, and the cards and licences of every model that was published here before this name was.
What it reports: a card that is nearly the text of another owner's model that is not declared as the base; a permissive
licence over a base that has terms of its own.
Why it matters: look-alike models copy the card of what they imitate, and are believed for it.
What it cannot see: cards that were never published here; short, translated or generated ones.
References: Broder, 1997.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from assay.core.finding import Confidence, Severity
from assay.inspections.card_text import Card, read_card
from assay.inspections.licences import licences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assay.core.inspector import Subject
    from assay.inspections.parts import Collector, Part

_ALIKE, _SAME = 0.7, 0.95  # shares of equal runs of words
_CARD_BYTES = 4 << 20


class Known(Protocol):
    """A model with nearly the same card."""

    @property
    def name(self) -> str:
        """`org/name`."""
        ...

    @property
    def share(self) -> float:
        """Estimated share of equal text, 0 to 1."""
        ...


class Cards(Protocol):
    """What is known of other models."""

    def alike(self, sketch: Sequence[int], share: float, name: str) -> Sequence[Known]:
        """Models, published before `name`, whose card is at least so much alike, most alike first."""
        ...

    def licences_above(self, name: str) -> Mapping[str, str]:
        """Licences of a model and of all that it was made from, at any depth; empty where unknown."""
        ...


class CopiedCard:
    """The inspector `card-copy`."""

    name = "card-copy"
    version = "1"
    claims = False

    def __init__(self, cards: Cards) -> None:
        self._cards = cards
        self._name = ""

    def begin(self, subject: Subject, out: Collector) -> None:
        """Take the name."""
        del out
        self._name = subject.snapshot.origin.name

    def wants(self, part: Part) -> bool:
        """The card."""
        return not part.inner and part.path.lower() == "readme.md"

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Compare."""
        data = part.read_all(_CARD_BYTES)
        if data is None:
            out.unread(f"longer than {_CARD_BYTES} bytes")
            return
        card = read_card(data.decode("utf-8", "replace"), depth=part.limits.json_depth)
        bases = card.declared.get("base_model", [])
        self._copied(card, {base.lower() for base in bases}, out)
        declared = card.declared.get("license", "")
        for base in bases:
            self._terms(declared, base, out)

    def _terms(self, declared: str, base: str, out: Collector) -> None:
        """The base's own terms as the inventory knows them, and those of what it was made from."""
        lists = licences()
        for name, known in self._cards.licences_above(base).items():
            licence = (
                known
                if name == base
                else next((one for one in (known, lists.of_family(name)) if lists.drops_terms(declared, one)), "")
            )
            if not lists.drops_terms(declared, licence):
                continue
            where = "in the inventory" if licence == known else "by its family"
            made = "" if name == base else f", made from {name!r}"
            message = f"declares {declared} over the base {base!r}{made}, which is under {licence} {where}"
            out.finding("licence-of-base", Severity.MEDIUM, Confidence.HIGH, message, base=name, licence=licence)
            return

    def _copied(self, card: Card, bases: set[str], out: Collector) -> None:
        if card.generated or not card.sketch:
            return
        owner = self._name.rpartition("/")[0].lower()
        for known in self._cards.alike(card.sketch, _ALIKE, self._name):
            other = known.name.lower()
            if other in bases or other.rpartition("/")[0] == owner:
                continue
            severity = Severity.MEDIUM if known.share >= _SAME else Severity.LOW
            share = round(known.share, 3)
            message = f"{share:.0%} of its text is the card of {known.name!r}, which it does not name as its base"
            out.finding("card-copied", severity, Confidence.MEDIUM, message, model=known.name, share=share)
            return
