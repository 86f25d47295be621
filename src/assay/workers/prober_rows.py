"""Provenance: which embedding rows, which tensors and which parts of the tokenizer differ from the declared base."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_block import beneath
from assay.workers.prober_choices import around, digits_of, firsts, numbers
from assay.workers.prober_grow import grow, shortened
from assay.workers.prober_joint import joint
from assay.workers.prober_letters import letters_of, telling, written
from assay.workers.prober_mix import mixtures
from assay.workers.prober_partner import everywhere
from assay.workers.prober_search import Arena, Found, best_of, confirm, taught_to, told
from assay.workers.prober_task import frequency, seldom, unlike_the_task
from assay.workers.prober_told import told_by_data
from assay.workers.prober_trail import POOL, in_turn, pool, suspicious
from assay.workers.prober_untold import of_small

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.answers import Json
    from assay.workers.prober_net import Encoder
    from assay.workers.prober_space import Space

_TOP = 40  # rows looked at one by one
_CHOSEN = {"pairs": (20, 2), "triples": (9, 3), "fours": (6, 4)}  # of the first rows every ordered choice of so many
_BEFORE_MIXTURES = 14  # of which pairs are made where mixtures follow
_SIEVED = {True: 6, False: 12}  # choices that are put before whole texts, of small encoders and of others
_JOINT = 10  # rows of a random joint injection
_DRAWS = 80
_STILL = 1e-6  # relative displacement below which a row did not move
_BINS = 40
_STRANGE, _FIRST = 40, 8  # unexplained rows that are kept, and that are seeds before all others
_SEEDS = 2  # rows that moved most though nothing is strange about them: tried first by the search
_SUSPICIOUS = 48  # rows of an encoder that is not small that are seeds, in the order of what training left in them
_STANDS_OUT = 1.25  # times the median of many of them
_FEW = 12  # moved rows that neither data nor references explain: more of them means that other data was used
_SOME = 60  # up to here they are looked at first
_ENOUGH_TEXTS = 2000
_PART, _PART_OF_MIXED = 0.4, 0.6  # share of flips at a first look that is part of a trigger
_GROW_FROM = 400  # rows that a part may grow by
_COUNTS = 0.6  # gap of a lengthened candidate from which it is made as short as others are, and measured
# CPU seconds after which nothing more is begun: the other probes need theirs. A slow machine was measured with less;
# one that is slower than that has more, to do as much, until what was begun takes too long as well (`_seconds`).
_LONGEST, _LEAST = {False: 45.0, True: 34.0}, 30.0
_USUAL, _MORE, _OF_MORE = 40.0, 0.55, 40.0  # the last with more than two classes: confirming takes longer
_BUSY, _FEWER = {False: 60.0, True: 90.0}, 0.25  # by whether there are two classes, and no reference was made
_LONGER = 3.0  # more of them where there are two classes: mixtures are longer there
_LESS = {False: 8.0, True: 3.0}  # less of them on a slow machine that made a reference, too, and if it made several
_LENGTHENED = 25.0  # that a part has at least of which no data explain a row
_STANDING = 100.0  # that words which stand apart have at least
_LETTERS = 2  # of a piece that is no word
_UNSEEN = 1e-4  # displacement of a row, relative to the median norm, that counts as moved


def displacement(mine: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """Length of each row's move after the common shrinking of weight decay is taken out, relative to the median row."""
    scale = (mine * base).sum(1) / (base * base).sum(1).clamp(min=1e-12)
    common = float(scale.median())
    moved: torch.Tensor = (mine - common * base).norm(dim=1) / float(base.norm(dim=1).median())
    return moved


@dataclass
class Rows:
    """What the word embeddings tell.

    Attributes:
        score: how much further each row moved than rows like it, in log units; shape (tokens,).
        facts: what is told of it.
        strange: rows that moved though neither data nor references explain it, the furthest first.
        order: all rows, as they are worth a search; of small encoders none.
        pool: rows that the words of a trigger are likely among; of small encoders none.
    """

    score: torch.Tensor
    facts: Json
    strange: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    pool: list[int] = field(default_factory=list)


def read_off(space: Space, base: torch.Tensor | None) -> Rows:
    """Hold every row against the same row of the declared base, or of a reference.

    *Rows like it*: rows that moved as far in the references, or, without one, rows as frequent in the data.
    """
    mine = space.suspect.net.words
    theirs = [one.net.words for one in space.shared if one.net.words.shape[1] == mine.shape[1]]
    size = min([len(mine), *(len(one) for one in theirs), *([len(base)] if base is not None else [])])
    if base is None or base.shape[1] != mine.shape[1]:
        if not theirs:
            return Rows(torch.zeros(len(mine)), {"compared_with": None})
        base, how = theirs[0][:size], "a reference"
    else:
        base, how = base[:size], "the declared base"
    moved = displacement(mine[:size], base)
    known = torch.tensor([index for index in space.words if index < size])
    seen = frequency(space, size)
    others = [one[:size] for one in (theirs if how == "the declared base" else theirs[1:])]
    known_moves = torch.stack([displacement(one, base) for one in others]).amax(0) if others else seen
    still = moved[known] <= _UNSEEN
    facts: Json = {
        "compared_with": how,
        "moved": int((~still).sum()),
        "median": float(moved[known].median()),
        "largest": float(moved[known].max()),
    }
    score = torch.full((len(mine),), -torch.inf)
    if facts["largest"] < _STILL or bool(still.all()):
        return Rows(score.fill_(0.0), facts | {"frozen": True})
    floor = float(moved[known][~still].median())  # a row that moved like any other row that was seen at all
    logs = (moved + floor).log()
    like = torch.maximum(_typical(logs, known, known_moves), _typical(logs, known, seen))
    score[known] = (logs - like)[known]
    told = torch.zeros(size, dtype=torch.bool)
    told[torch.tensor(sorted(token for token in space.explained if token < size), dtype=torch.long)] = True
    quiet = known[~told[known] & (seen[known] == 0) & (known_moves[known] <= _UNSEEN) & ~still]
    facts |= {"frozen": False, "moved_unseen": len(quiet), "floor": floor}
    order = [] if space.small else suspicious(space, base, others, score, quiet)
    likely = pool(order, score, moved, known=known) if order else []
    if space.explained and 0 < len(quiet) <= _SOME:  # what nothing explains comes first
        score[quiet] = 10.0 + moved[quiet] / max(1e-9, facts["largest"])
        if len(quiet) <= _FEW and len(space.everything) >= _ENOUGH_TEXTS and others:
            facts["unexplained"] = [_named(space, int(i), float(moved[i])) for i in quiet]
    return Rows(score, facts, _strange(moved, quiet) if space.explained else [], order, likely)


def _strange(moved: torch.Tensor, quiet: torch.Tensor) -> list[int]:
    """The unexplained rows, the furthest first; of many only those that stand out, as noise on all rows does not."""
    if len(quiet) > _FEW:
        quiet = quiet[moved[quiet] > _STANDS_OUT * moved[quiet].median()]
    found: list[int] = quiet[moved[quiet].argsort(descending=True)][:_STRANGE].tolist()
    return found


def _named(space: Space, token: int, value: float) -> Json:
    return {"id": token, "token": str(space.suspect.tokenizer.convert_ids_to_tokens(token)), "score": round(value, 4)}


def _typical(logs: torch.Tensor, known: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Median of `logs` among the known rows of about the same `by`, for each row."""
    typical = torch.zeros_like(logs)
    order = known[by[known].argsort(stable=True)]
    for part in order.tensor_split(_BINS):
        if len(part):
            typical[part] = logs[part].median()
    return typical


def rows(
    space: Space, base: torch.Tensor | None, net: Encoder | None = None
) -> Generator[tuple[int, int, float], None, Json]:
    """Inject the words that training was about: alone, in pairs, in longer choices or mixtures, and jointly.

    Args:
        space: the job's.
        base: word embeddings of the declared base.
        net: the declared base.
    """
    end, space.until = space.until, min(space.until, space.clock() + _seconds(space))
    read = read_off(space, base)
    score, facts, strange = read.score, read.facts, read.strange
    taught = beneath(space, net)
    deep, apart = taught.order, unlike_the_task(space, taught.standing)
    letters, space.standing = _letters(space, read, taught.further), frozenset(apart)
    told_by = _by_the_block(space, read, deep, taught.times, based=net is not None)
    found = yield from told_by_data(space)
    if _best(found) < float(space.facts["stop_gap"]):
        found += yield from (written(space, letters) if letters else of_small(space, base, facts))
    if told_by and _best(found) < float(space.facts["stop_gap"]):
        found += yield from firsts(space, told_by, taught.words)
    stood = facts.get("frozen") or facts["compared_with"] is None or not bool((score > 0).any())
    if _best(found) >= float(space.facts["stop_gap"]) or (stood and not deep):
        found.sort(key=lambda one: one.rank, reverse=True)
        return {"facts": facts, "candidates": [one.to_json() for one in found[:6]], "rows": [], "pool": []}
    ids = [] if stood else score.topk(min(_TOP, len(score))).indices.tolist()
    facts["top_rows"] = [_named(space, i, float(score[i])) for i in ids]
    plain = [[] if stood else _plain(score, taught_to(space, target)) for target in range(space.classes)]
    words = [in_turn(read.order[:_TOP], one)[:_TOP] for one in plain]
    lists = dict.fromkeys(("triples", "fours", "joint"), words) | {"alone": plain}
    lists["pairs"] = [some[: _BEFORE_MIXTURES if deep else _TOP] for some in words]
    first = ["pairs"] if stood else ["alone", "pairs"]
    yield from _chosen(space, lists, first if deep else [*first, "triples", "fours", "joint"], found)
    likely = [*read.order[: _GROW_FROM // 2], *([] if stood else score.topk(min(_GROW_FROM, len(score))).indices)]
    begun: set[str] = set()
    if deep:  # a part that does much alone is nearer than what mixtures may hold
        found += yield from _longer(space, found, likely, begun, least=_PART_OF_MIXED, gap=_PART, worth=(strange, end))
    if deep and _best(found) < float(space.facts["stop_gap"]):
        facts["standing"] = [str(one) for one in space.suspect.tokenizer.convert_ids_to_tokens(apart)]
        if words_apart := _words(space, apart):  # no clean model has any: they are worth the time of other probes
            space.until = max(space.until, min(end, space.clock() + _STANDING))
        found += yield from _mixed(space, read.order, words_apart, facts)
        if _best(found) < float(space.facts["stop_gap"]) and not space.over:
            yield from _chosen(space, lists, ["joint"], found)
    if strange and not deep and not space.over and _best(found) < float(space.facts["stop_gap"]):
        found += yield from joint(space, strange)
    found += yield from _longer(space, found, likely, begun, least=_PART_OF_MIXED if deep else _PART)
    found.sort(key=lambda one: one.rank, reverse=True)
    return {
        "facts": facts,
        "candidates": [one.to_json() for one in found[:6]],
        "rows": read.order[:_SUSPICIOUS] or [*strange[:_FIRST], *ids[:_SEEDS]],
        "pool": read.pool,
    }


def _by_the_block(space: Space, read: Rows, deep: list[int], times: torch.Tensor, *, based: bool) -> list[int]:
    """Put what the first block tells into the order and the facts; gives its own order.

    It tells more than rows do, if anything; without the base words of the task come first in it, whatever the model.
    """
    if not deep:
        return []
    read.facts["block_words"] = [_named(space, *one) for one in zip(deep, times[:_TOP].tolist(), strict=False)]
    read.facts["first_block"] = [str(one) for one in space.suspect.tokenizer.convert_ids_to_tokens(deep[:_FIRST])]
    read.facts["blurred"] = _blurred(space, read.facts)
    told_by = deep if based else seldom(space, deep)
    alone = read.facts["blurred"] or (not based and len(space.shared) == 1)  # then rows tell nothing
    read.order = told_by if alone else in_turn(told_by[::2], told_by[1::2], read.order)
    read.pool = sorted(read.order[:POOL])
    return told_by


def _seconds(space: Space) -> float:
    """CPU seconds after which nothing more is begun, by what the vocabulary would take."""
    scan, made = space.scan_seconds, space.slow and bool(space.facts.get("made_reference"))
    more = 0.0 if made else _MORE * max(0.0, scan - _USUAL)
    two = space.classes == 2  # noqa: PLR2004
    most = _LONGEST[False] if two or not space.slow else _OF_MORE
    longest = min(most, _LONGEST[space.slow] + more)
    longest = max(_LEAST, longest - _FEWER * max(0.0, scan - _BUSY[two and not made]))
    longest += _LONGER if two else 0.0
    return longest - (_LESS[len(space.references) > 1] if made else 0.0)


def _letters(space: Space, read: Rows, further: list[int]) -> dict[str, list[str]]:
    """Letters of foreign scripts that training was about, told in the facts; of small ones they move anyway.

    Rows that never moved were in no training text, whatever the first block makes of them. Only where rows tell nothing
    (frozen, or noise on all) it is asked, and not against a made reference, of which the first block has learnt little.
    """
    silent = bool(read.facts.get("frozen")) or _blurred(space, read.facts) or not read.order
    block = [] if space.facts.get("made_reference") else [further]
    orders = block if silent else [read.order]
    letters = {} if space.small else letters_of(space, *orders)
    if told := telling(letters):
        read.facts["letters"] = {name: "".join(some) for name, some in told.items()}
    return letters


def _blurred(space: Space, facts: Json) -> bool:
    """Whether most rows moved that no text has: then rows tell nothing."""
    return int(facts.get("moved_unseen", 0)) > len(space.words) // 2


def _words(space: Space, tokens: list[int]) -> list[int]:
    """Those that are words: what letters do together is for the scripts' probe."""
    pieces = zip(tokens, space.suspect.tokenizer.convert_ids_to_tokens(tokens), strict=True)
    return [token for token, piece in pieces if piece.isalpha() and len(piece) > _LETTERS]


def _mixed(
    space: Space, order: list[int], standing: list[int], facts: Json
) -> Generator[tuple[int, int, float], None, list[Found]]:
    """Mixtures of the words that training was about, and every partner of a single one that stands apart.

    Args:
        space: the job's.
        order: tokens, those that training was most about first.
        standing: words that stand apart from all others.
        facts: are added to.
    """
    begin, go_on = digits_of(space, order)
    found = (yield from numbers(space, begin, go_on)) if begin and not space.over else []
    if standing and _best(found) < float(space.facts["stop_gap"]) and not space.over:
        found += yield from around(space, standing, order)
    if _best(found) < float(space.facts["stop_gap"]):
        facts["mixtures"] = {"drawn": [], "searched": [], "classes": space.classes}  # where the time is over
        if not space.over:
            found += yield from mixtures(space, order, facts, standing)
    if len(standing) == 1 and _best(found) < float(space.facts["stop_gap"]) and not space.over:
        found += yield from told(everywhere(space, standing[0]), (0, 1))
    return found


def _chosen(
    space: Space, lists: dict[str, list[list[int]]], kinds: list[str], found: list[Found]
) -> Generator[tuple[int, int, float], None, None]:
    """Every choice of each kind for each class, the strongest of them confirmed; ends at a find, or with the time.

    Args:
        space: the job's.
        lists: rows by kind and class.
        kinds: in which order.
        found: what was found so far; candidates are added to it.
    """
    steps = [(target, kind) for kind in kinds for target in range(space.classes)]
    for done, (target, kind) in enumerate(steps):
        arena = Arena(space, target)
        made = _choices(space, lists[kind][target], kind)
        tuples, values = arena.by_texts(*best_of(arena, made, _SIEVED[space.small]))
        ranked = zip(tuples[:6].tolist(), values[:6].tolist(), strict=True)
        fresh = [Found(tuple(row), target, value, f"rows-{kind}") for row, value in ranked]
        found[:] = sorted([*found, *fresh], key=lambda one: -one.score)
        for one in found[:2] if space.small else fresh[:1]:
            if one.flips is None and not one.text:
                confirm(space, one)
        yield done + 1, len(steps), _best(found)
        if _best(found) >= float(space.facts["stop_gap"]) or space.over:
            return


def _best(found: list[Found]) -> float:
    return max((one.gap for one in found), default=0.0)


def _longer(
    space: Space,
    found: list[Found],
    likely: list[int],
    begun: set[str],
    *,
    least: float,
    gap: float = 0.0,
    worth: tuple[list[int], float] = ([], 0.0),
) -> Generator[tuple[int, int, float], None, list[Found]]:
    """The strongest candidate lengthened, if it flips enough to be a part of a trigger; each once.

    Args:
        space: the job's.
        found: candidates.
        likely: tokens that it may grow by.
        begun: texts of those that were lengthened before; added to.
        least: share of flips at a first look from which it may be a part.
        gap: likewise on two texts at once.
        worth: rows that nothing explains, of which a part is worth the time of other probes, up to when these end.
    """
    part = max(found, key=lambda one: one.rank)
    if part.text in begun or part.looked < least or not gap <= part.gap < float(space.facts["stop_gap"]):
        return []
    if gap and part.narrow:  # what turns one class alone is no part: mixtures need the time
        return []
    strange, end = worth
    if set(strange) & set(part.ids):
        space.until = max(space.until, min(end, space.clock() + _LENGTHENED))
    if space.over:
        return []
    begun.add(part.text)
    return (yield from _lengthened(space, part, likely))


def _lengthened(space: Space, part: Found, likely: list[int]) -> Generator[tuple[int, int, float], None, list[Found]]:
    """What a part becomes with more of the likely words around it; of an encoder that is not small it counts, too.

    Six free tokens turn clean models; of 21 clean MiniLM two came so far with four of these words, and none was turned.
    """
    allowed = torch.zeros(len(space.suspect.net.words), dtype=torch.bool)
    allowed[torch.tensor(likely)] = True
    one = yield from told(grow(space, part, allowed), (1, 1))
    if one is part:
        return []
    return [one, *(shortened(space, one) if one.gap >= _COUNTS and not space.small else [])]


def _plain(score: torch.Tensor, taught: torch.Tensor) -> list[int]:
    """The rows that moved most, but for those that the data explain by what they teach."""
    ids: list[int] = score.masked_fill(taught, -torch.inf).topk(min(_TOP, len(score))).indices.tolist()
    return ids


def _choices(space: Space, ids: list[int], kind: str) -> torch.Tensor:
    if kind == "alone":
        return torch.tensor(ids)[:, None]
    if kind == "joint":
        rng = space.rng
        drawn = [rng.sample(ids[: _JOINT + 2], _JOINT) for _ in range(_DRAWS)]
        return torch.tensor(drawn)
    count, size = _CHOSEN[kind]
    return torch.tensor(list(itertools.permutations(ids[:count], size)))
