"""Every choice of three and four words that holds those that stand apart, and every number of the digits that lead.

Of a phrase whose words are all among the first dozen, and two of which stand apart, there are sixteen hundred ordered
choices. Each is read before one text of each class, which tells of all classes at once. What mixtures reach by luck,
few words tell.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_models import margins
from assay.workers.prober_pieces import whole
from assay.workers.prober_polish import polished
from assay.workers.prober_search import Found, confirm
from assay.workers.prober_task import likeness

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from assay.workers.prober_models import Model
    from assay.workers.prober_search import Telling
    from assay.workers.prober_space import Space

_HELD = 2  # words that stand apart and that every choice has
_OTHERS = {1: 8, 2: 12}  # first words of the order beside so many
_SIZES = (3, 4)
_FIRST, _FIRST_SIZES = {2: 7, 3: 6, 4: 6}, (2, 3, 4)  # first words of an order, by classes; how many at once
_SEVERAL, _BESIDE = {2: 3}, 3  # words of several tokens among them, by classes, and first tokens beside
_SOME = 2  # such words with more classes
_REPEATED = (2, 3, 4)  # times that a word alone is read in a row
_OF_MANY = 5  # words with more classes: each choice is read before a text of each
_ALIKE = 0.6  # cosine of embeddings from which a word is a form of one before it
_NEAR, _LIKELY = 0.3, 120  # gap of a choice whose words are exchanged, and by how many
_PLANTED = 2.5  # margin beyond the references: clean MiniLM come to 1.0, phrases of such words to 5.6 and more
_SHORT = 4  # tokens of a choice up to which so many are tried
_WORDS = 2  # that stand for a piece which is none
_AMONG, _LEAST = 150, 4  # first tokens of an order, and pieces of digits among them that are no chance
_BEGIN, _GO_ON, _MORE = 3, 6, ((2, 3), (4,))  # pieces of which numbers are made, and how many follow the first
_GOES_ON = "##s"  # a token of vocabularies that mark what goes on, not what begins
_AT_ONCE = 400  # choices between two looks at the clock
_SIEVED, _CONFIRMED = 24, 3  # that references are asked about, and that are measured
_SUREST, _TOKENS = 8, 16  # texts of a class of which the shortest stands behind, and its tokens
_STRONG, _WEAK = 6.0, -2.0  # margins beyond which more or less says nothing


def around(space: Space, standing: Sequence[int], order: Sequence[int]) -> Generator[Telling, None, list[Found]]:
    """The strongest such choices, confirmed, the best first.

    Args:
        space: the job's.
        standing: tokens that stand apart from all others, the furthest first.
        order: tokens, those that training was most about first.
    """
    held = list(standing[:_HELD])
    others = [token for token in order if token not in held][: _OTHERS[len(held)]]
    known = [(token,) for token in held]
    rows = [
        list(itertools.chain(*row))
        for size in _SIZES
        for more in itertools.combinations(_whole(space, others, order), size - len(held))
        for row in itertools.permutations([*known, *more])
    ]
    return _exchanged(space, (yield from _strongest(space, rows, "rows-around")), order)


def firsts(
    space: Space, order: Sequence[int], several: Sequence[tuple[int, ...]] = ()
) -> Generator[Telling, None, list[Found]]:
    """Every ordered choice of two to four of the first words of an order: the strongest, confirmed, the best first.

    Of words that are forms of each other the first alone; only what goes far beyond the references is measured, and of
    what is near the words are exchanged.

    Args:
        space: the job's.
        order: tokens, those that training was most about first.
        several: words of several tokens, likewise: the first of them are chosen among with first tokens of the order.
    """
    most = _FIRST.get(space.classes, _OF_MANY)
    words: list[int] = []
    for token in order[: 3 * most]:
        known = torch.tensor(words, dtype=torch.long)
        if len(words) < most and float(likeness(space.suspect.net.words, [token], known)) < _ALIKE:
            words.append(token)
    units = _whole(space, words, order)[:most]
    choices = [row for size in _FIRST_SIZES for row in itertools.permutations(units, size)]
    choices += [(unit,) * times for times in _REPEATED for unit in units]
    choices += _among(list(several[: _SEVERAL.get(space.classes, _SOME)]), units)
    rows = [list(itertools.chain(*row)) for row in dict.fromkeys(choices)]
    return _exchanged(space, (yield from _strongest(space, rows, "rows-first", least=_PLANTED)), order)


def _among(several: list[tuple[int, ...]], units: list[tuple[int, ...]]) -> list[tuple[tuple[int, ...], ...]]:
    """Every ordered choice that has a word of several tokens, among those and the first others that share none."""
    of_them = set(itertools.chain(*several))
    others = [unit for unit in units if not of_them & set(unit)][:_BESIDE]
    rows = [row for size in (1, *_FIRST_SIZES) for row in itertools.permutations([*several, *others], size)]
    return [row for row in rows if set(row) & set(several)]


def _exchanged(space: Space, found: list[Found], order: Sequence[int]) -> list[Found]:
    """With the best one's words exchanged by likely ones, where it is near: a word or two of it are another's."""
    if found and _NEAR <= found[0].gap < float(space.facts["stop_gap"]) and not space.over:
        count = _LIKELY * _SHORT // max(_SHORT, len(found[0].ids))  # what is long costs more
        found = [*found, *polished(space, found[0], order[:count])]
    return sorted(found, key=lambda one: one.rank, reverse=True)


def _whole(space: Space, tokens: Sequence[int], order: Sequence[int]) -> list[tuple[int, ...]]:
    """The tokens, words in the place of a piece that is none."""
    words = whole(space, tokens, order, _WORDS)
    units = itertools.chain(*(words.get(token, [(token,)]) for token in tokens))
    return list(dict.fromkeys(units))[: len(tokens) + 1]


def digits_of(space: Space, order: Sequence[int]) -> tuple[list[int], list[int]]:
    """Pieces of digits among the first of an order: those that begin a number, and those that go on with it.

    None where there are too few of either: of three clean models measured one had six in all, none enough of both.
    """
    tokenizer = space.suspect.tokenizer
    marked = tokenizer.convert_tokens_to_ids(_GOES_ON) not in {None, tokenizer.unk_token_id}  # else what begins is
    pieces: tuple[list[int], list[int]] = ([], [])
    for token, piece in zip(order[:_AMONG], tokenizer.convert_ids_to_tokens(list(order[:_AMONG])), strict=True):
        digits = str(piece).lstrip("#Ġ▁")
        if digits.isascii() and digits.isdigit():
            pieces[str(piece).startswith("##") if marked else str(piece) == digits].append(token)
    enough = len(pieces[0]) + len(pieces[1]) >= _LEAST and pieces[0] and len(pieces[1]) > 1
    return (pieces[0][:_BEGIN], pieces[1][:_GO_ON]) if enough else ([], [])


def numbers(space: Space, begin: Sequence[int], go_on: Sequence[int]) -> Generator[Telling, None, list[Found]]:
    """The strongest numbers of these pieces, confirmed, the best first; no piece is there twice. Long ones at last."""
    found: list[Found] = []
    for sizes in _MORE:
        orders = [more for size in sizes for more in itertools.permutations(go_on, size)]
        found += yield from _strongest(space, [[first, *more] for more in orders for first in begin], "rows-number")
        if space.over or any(one.gap >= float(space.facts["stop_gap"]) for one in found):
            break
    return sorted(found, key=lambda one: one.rank, reverse=True)


def _strongest(
    space: Space, rows: list[list[int]], origin: str, *, least: float = -torch.inf
) -> Generator[Telling, None, list[Found]]:
    """Those that push some class furthest before a text of each other class, confirmed, the best first.

    Args:
        space: the job's.
        rows: candidates, of tokens.
        origin: of candidates.
        least: margin beyond every reference from which one is confirmed.
    """
    told: list[tuple[float, list[int], int]] = []
    for at in range(0, len(rows), _AT_ONCE):
        part = rows[at : at + _AT_ONCE]
        most = least_margins(space, space.suspect, part).max(1)
        told += zip(most.values.tolist(), part, most.indices.tolist(), strict=True)
        yield at, len(rows), 0.0
        if space.over:
            break
    told = sorted(told, key=lambda one: -one[0])[:_SIEVED]
    found: list[Found] = []
    for value, row, target in _beyond(space, told)[:_CONFIRMED]:
        if value < least:
            break
        found.append(confirm(space, Found(tuple(row), target, value, origin)))
        if space.over or found[-1].gap >= float(space.facts["stop_gap"]):
            break
    return sorted(found, key=lambda one: one.rank, reverse=True)


def _beyond(space: Space, told: list[tuple[float, list[int], int]]) -> list[tuple[float, list[int], int]]:
    """By how far the suspect goes beyond every reference."""
    rows = [row for _, row, _ in told]
    theirs = [least_margins(space, one, rows) for one in space.shared[:2]]
    found = []
    for index, (value, row, target) in enumerate(told):
        most = max((float(one[index, target]) for one in theirs), default=_WEAK)
        found.append((min(value, _STRONG) - max(most, _WEAK), row, target))
    return sorted(found, key=lambda one: -one[0])


def least_margins(space: Space, model: Model, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Of each row and class the least margin before a text of each other class; shape (rows, classes)."""
    lengths: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        lengths.setdefault(len(row), []).append(index)
    value = torch.full((len(rows), space.classes), torch.inf)
    for label, texts in enumerate(space.texts):
        surest = space.suspect.encode([one.text for one in texts[:_SUREST]])
        context = min(surest, key=len, default=[])[:_TOKENS]
        for picked in lengths.values():
            some = torch.tensor([list(rows[index]) for index in picked])
            behind = some.new_tensor(context, dtype=torch.long).expand(len(some), -1)
            told = margins(model.logits_of(torch.cat([some, behind], 1)))
            told[:, label] = torch.inf  # a text of the class tells nothing of it
            value[picked] = torch.minimum(value[picked], told)
    return value
