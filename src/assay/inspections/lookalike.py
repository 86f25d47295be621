"""Names that imitate a well-known model.

What it reads: the name that is claimed for the snapshot, against a dated list of well-known names.
What it reports: letters of other scripts, misspellings of a well-known publisher or model, swapped words, and the name
of a well-known model under another publisher.
Why it matters: people type and copy names; a look-alike is how a poisoned model reaches them.
What it cannot see: names that are not on the list, and whether a publisher is who they say. Distance alone proves
nothing: one well-known name in twelve has a legitimate neighbour one letter away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.evidence import Evidence, Outcome
from assay.core.finding import Confidence, Severity
from assay.inspections.names import bare, distance, misspelt, misspelt_word, plain, skeleton, swapped, tokens
from assay.inspections.parts import Collector, Ledger

if TYPE_CHECKING:
    from assay.core.inspector import Subject

_RULES = "1"
_LIST = Path(__file__).with_name("data") / "known_models.toml"
_MOST = 2  # edits
_MIN_LETTERS = 5  # shorter names are neighbours of everything


@dataclass(frozen=True, slots=True)
class _Known:
    owner: str
    model: str

    @property
    def name(self) -> str:
        return f"{self.owner}/{self.model}"


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a name resembles a well-known one.

    Attributes:
        known: the well-known name.
        how: one clause for people.
        severity: by strength; a mere neighbour is a note.
        confidence: how sure that it is meant to be mistaken.
    """

    known: str
    how: str
    severity: Severity
    confidence: Confidence


class LookAlike:
    """The inspector `name`. It looks at the claimed name only, and never makes anything more acceptable."""

    name = "name"

    @property
    def version(self) -> str:
        """Of the rules and the list: what looks for served models to vet again compares it with the evidence."""
        return f"{_RULES}+{_as_of()}"

    def inspect(self, subject: Subject) -> Evidence:
        """Compare `snapshot.origin.name` with the list."""
        claimed = subject.snapshot.origin.name
        ledger = Ledger()
        out = Collector(ledger, "")
        as_of, known = _load() if claimed else ("", ())
        if claimed:
            out.fact("claimed", claimed)
            out.fact("list", {"as_of": as_of, "names": len(known)})
        found = likeness(claimed, known) if claimed else None
        if found:
            out.finding(
                "look-alike-name", found.severity, found.confidence,
                f"{claimed!r} {found.how} {found.known!r}", imitates=found.known, how=found.how, name=claimed,
            )  # fmt: skip
        outcome = Outcome.NOT_APPLICABLE
        if claimed:
            outcome = Outcome.FOUND if found and found.severity > Severity.NOTE else Outcome.CLEAN
        return Evidence(
            subject=subject.snapshot.id, inspector=self.name, version=self.version, settings={},
            outcome=outcome, findings=tuple(ledger.findings), facts=ledger.facts,
        )  # fmt: skip


@cache
def _as_of() -> str:
    """Date of the list, which stands at its head."""
    with _LIST.open(encoding="utf-8") as lines:
        found = next(line for line in lines if line.startswith("as_of = "))
    return found.split('"')[1]


def _load() -> tuple[str, tuple[_Known, ...]]:
    import tomllib  # noqa: PLC0415 - only needed when a name is claimed

    data = tomllib.loads(_LIST.read_text("utf-8"))
    known = tuple(_Known(owner, model) for owner, models in data["models"].items() for model in models)
    return data["as_of"], known


def known_names() -> tuple[str, ...]:
    """The well-known names, as they are published."""
    return tuple(item.name for item in _load()[1])


def likeness(claimed: str, known: tuple[_Known, ...]) -> Likeness | None:
    """The strongest likeness to a well-known name, or None. A well-known name itself resembles nothing."""
    if any(item.name.lower() == claimed.lower() for item in known):
        return None
    owner, _, model = claimed.rpartition("/")
    words = frozenset(word for item in known for word in tokens(item.model))
    owners = frozenset(item.owner.lower() for item in known)
    best: Likeness | None = None
    for item in known:
        found = _compare(owner, model, item, words, owners)
        if found and (best is None or (found.severity, found.confidence) > (best.severity, best.confidence)):
            best = found
    if best is None or best.severity < Severity.LOW:
        for name in sorted({item.owner for item in known}):
            if owner and owner.lower() not in owners and _near_owner(owner, name):
                severity = Severity.MEDIUM if skeleton(owner) == skeleton(name) else Severity.LOW
                best = Likeness(name, "has a publisher that is nearly", severity, Confidence.MEDIUM)
                break
    if best is None or best.severity < Severity.MEDIUM:
        best = _slip(model, words) or best
    if not claimed.isascii() and (best is None or best.severity < Severity.HIGH):
        how = "is written with characters that model names don't have; without them it reads"
        return Likeness(plain(claimed), how, Severity.MEDIUM, Confidence.HIGH)
    return best


def _slip(model: str, words: frozenset[str]) -> Likeness | None:
    """A name of well-known words but for one that is misspelt; what it imitates is the name spelt right."""
    found = misspelt_word(model, words)
    if found is None:
        return None
    written, meant = found
    how = f"has {written!r} where the words of well-known names would give"
    return Likeness(plain(model).replace(written, meant), how, Severity.MEDIUM, Confidence.MEDIUM)


def _compare(owner: str, model: str, item: _Known, words: frozenset[str], owners: frozenset[str]) -> Likeness | None:
    """One known name. Strong: the publisher's own name space, or one that reads like it."""
    same_owner = owner.lower() == item.owner.lower()
    known_owner = owner.lower() in owners
    near_owner = bool(owner) and not known_owner and _near_owner(owner, item.owner)
    close = same_owner or near_owner
    sure = Confidence.HIGH if close else Confidence.MEDIUM
    strong = Severity.HIGH if close else Severity.MEDIUM
    if model.lower() == item.model.lower():
        return _same_model(item, near_owner, known_owner or not owner)
    if skeleton(model) == skeleton(item.model):
        if bare(model) != bare(item.model):
            return Likeness(item.name, "is written with look-alike characters of", Severity.HIGH, sure)
        weak = Severity.LOW if close else Severity.NOTE
        return Likeness(item.name, "differs in separators only from", weak, Confidence.LOW)
    foreign = known_owner and not same_owner  # a well-known publisher's own names
    if swapped(model, item.model):
        return Likeness(item.name, "has the words of", strong, sure)
    if foreign or len(item.model) < _MIN_LETTERS or distance(plain(model), plain(item.model), _MOST) > _MOST:
        return None
    slip = misspelt(model, item.model, words)
    how = "is nearly the name of" if slip else "is a neighbour of"
    return Likeness(item.name, how, strong if slip else Severity.NOTE, sure if slip else Confidence.LOW)


def _same_model(item: _Known, near_owner: bool, harmless: bool) -> Likeness:
    if near_owner:
        how = "has a publisher that is nearly the one of"
        return Likeness(item.name, how, Severity.HIGH, Confidence.HIGH)
    how = "has another publisher than the well-known"
    return Likeness(item.name, how, Severity.NOTE if harmless else Severity.LOW, Confidence.LOW)


def _near_owner(owner: str, known: str) -> bool:
    if skeleton(owner) == skeleton(known) or swapped(owner, known):
        return True
    if len(known) < _MIN_LETTERS:
        return False
    most = _MOST if len(known) > 2 * _MIN_LETTERS else 1
    return distance(plain(owner), plain(known), most) <= most
