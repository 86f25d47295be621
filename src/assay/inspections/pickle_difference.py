"""Where two readings of the same bytes differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from assay.formats.pickle import events as ev
from assay.formats.pickle.events import Event, Trace
from assay.formats.pickle.show import show, show_call

_COMPARED = frozenset((ev.IMPORT, ev.CALL, ev.BUILD, ev.EXTENSION))
_ACTING = frozenset((ev.IMPORT, ev.CALL, ev.EXTENSION))


@dataclass
class Difference:
    """What one reading has and the other lacks.

    Attributes:
        text: one sentence, empty when they agree.
        acting: one of them imports or calls something that the other does not.
        unseen: events that only the C unpickler saw, or saw with other arguments, as a trace to be judged.
    """

    text: str = ""
    acting: bool = False
    unseen: Trace = field(default_factory=Trace)


def compare(ours: Trace, theirs: Trace) -> Difference:
    """Compare the symbolic reading with the C unpickler's.

    A reading that broke off is compared as far as it went; what the other does after that point counts as a difference
    when it acts.
    """
    left = [event for event in ours.events if event.kind in _COMPARED]
    right = [event for event in theirs.events if event.kind in _COMPARED]
    same = 0
    for mine, other in zip(left, right, strict=False):
        if not _agree(mine, other):
            break
        same += 1
    rest_ours, rest_theirs = left[same:], right[same:]
    otherwise = [b for a, b in zip(left[:same], right, strict=False) if not _alike(a.arguments, b.arguments)]
    found = Difference(unseen=Trace(events=[*otherwise, *rest_theirs], protocol=ours.protocol))
    if not rest_ours and not rest_theirs:
        return _ends(ours, theirs, found)
    found.acting = any(event.kind in _ACTING for event in rest_ours + rest_theirs)
    if theirs.limit and not rest_theirs:
        return found  # the child gave up; ours went on
    if ours.limit and not rest_ours:
        return found
    found.text = _tell(ours, theirs, rest_ours, rest_theirs)
    return found


def _ends(ours: Trace, theirs: Trace, found: Difference) -> Difference:
    """The same events; do they also end alike?"""
    if ours.complete == theirs.complete or ours.limit or theirs.limit:
        return found
    if theirs.complete:
        found.text = f"the C unpickler loads it, our own reading stops at byte {ours.end}: {ours.error}"
    else:
        found.text = f"the C unpickler stops with an error ({theirs.error}); a more lenient one goes on"
    return found


def _tell(ours: Trace, theirs: Trace, rest_ours: list[Event], rest_theirs: list[Event]) -> str:
    if rest_ours and rest_theirs:
        return f"one reading finds {_one(rest_ours[0])}, the C unpickler {_one(rest_theirs[0])}"
    if rest_ours:
        stop = f" after it stopped with an error ({theirs.error})" if theirs.error else ""
        return f"a lenient unpickler goes on to {_one(rest_ours[0])}, the C unpickler does not{stop}"
    stop = f" after ours stopped: {ours.error}" if ours.error else ""
    return f"the C unpickler goes on to {_one(rest_theirs[0])}{stop}"


def _one(event: Event) -> str:
    if event.kind == ev.CALL:
        return f"a call {show_call(event.target, event.arguments, 300)}"
    if event.kind == ev.IMPORT:
        return f"an import of {show(event.target, 300)}"
    return f"{event.kind} {show(event.target, 300)}"


def _agree(mine: Event, other: Event) -> bool:
    """Same kind and target. Values that one reading lost track of agree with anything of their kind."""
    return mine.kind == other.kind and _same(mine.target, other.target)


def _alike(mine: Any, other: Any) -> bool:
    """Whether arguments are shown alike, but for places in the stream and what one reading lost track of.

    A list, dict or set that a pickle adds to under another name is one that our own reading can show without that.
    """
    if mine == other or ["unknown"] in (mine, other):
        return True
    if not (isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other) and mine):
        return False
    if mine[0] in ("bytes", "str") and len(mine) == len(("kind", "text", "length", "place")):
        return bool(mine[:3] == other[:3])
    return all(map(_alike, mine, other))


def _same(mine: Any, other: Any) -> bool:
    if mine in (other, ["unknown"]) or other == ["unknown"]:
        return True
    if not (isinstance(mine, list) and isinstance(other, list) and mine and other):
        return False
    if mine[0] != other[0]:
        return False
    if mine[0] == "result":
        return _same(mine[2], other[2])
    return mine[0] in {"tuple", "list", "dict", "set", "frozenset", "bytes", "str", "int", "float", "persistent"}
