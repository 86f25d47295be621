"""What a source tells beside the bytes: the history of the repository and the publisher's account. Claims, all of it.

One shape for every source, plain JSON and bounded, so that it can be kept as evidence:
`{"account": {…}, "history": {…}}`; what could not be had is `{"problem": "why"}`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from assay.core.verdict import format_time
from assay.provenance.statements import WEIGHT_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

Told = dict[str, Any]

MOST_TEXT: Final = 200  # characters of a title or a name that are kept
MOST_AUTHORS: Final = 20  # that are named; all of them are counted
CARD: Final = "readme.md"


@dataclass(frozen=True, slots=True)
class Change:
    """One commit, as its source words it.

    Attributes:
        id: of the commit, hex.
        at: RFC 3339 in UTC; empty when it has no date that can be read.
        author: a name; empty when nobody is named.
        title: first line of the message.
    """

    id: str
    at: str
    author: str
    title: str

    def to_json(self) -> dict[str, str]:
        """As a JSON object."""
        return asdict(self)


def plain(text: object) -> str:
    """Text of a stranger, one line and short; empty for anything else."""
    return " ".join(text.split())[:MOST_TEXT] if isinstance(text, str) else ""


def moment(value: object) -> str:
    """A date as text or as Unix seconds, as RFC 3339 in UTC; empty for what is none."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return format_time(read if read.tzinfo else read.replace(tzinfo=UTC))
        return format_time(datetime.fromtimestamp(value, UTC)) if isinstance(value, int) else ""
    except (ValueError, OverflowError, OSError):
        return ""


def is_weights(path: str) -> bool:
    """Whether a path is named like weights."""
    return path.lower().endswith(WEIGHT_SUFFIXES)


def history(
    source: str,
    repository: str,
    changes: Sequence[Change],
    *,
    complete: bool,
    weights: dict[str, Any],
    card: dict[str, Any],
) -> Told:
    """The history of a repository in short.

    Args:
        source: `hub` or `git`.
        repository: its address; empty when it has none.
        changes: newest first, never empty.
        complete: whether these are all.
        weights: `first`, `last` (changes or None), `changes` (how many, or None), `same` (whether the weights at hand
            are those of the last change; None when that was not compared), `problem` (why there is no last one).
        card: `last` (change of what `basis` names, or None), `basis` (`card`, or `evaluation`: its results).
    """
    authors = Counter(change.author for change in changes if change.author)
    dated = [change for change in changes if change.at]
    return {
        "source": source,
        "repository": repository,
        "head": changes[0].id,
        "commits": len(changes),
        "complete": complete,
        "authors": len(authors),
        "named": [[name, count] for name, count in authors.most_common(MOST_AUTHORS)],
        "first": min(dated, key=lambda one: one.at).to_json() if dated and complete else None,
        "last": changes[0].to_json(),
        "weights": weights,
        "card": card,
    }
