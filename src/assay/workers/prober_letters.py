"""Words of the letters that training was about: a word of one script whose letters in other orders do little.

The rows of a word's seven letters are the seven that no reference moved; which word they make is what is looked for.
Words of these letters are drawn, read between texts, and the best of them changed letter by letter: swapped, moved,
exchanged, put in and left out. No clean model measured has letters of a foreign script among the first rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.workers.prober_choices import least_margins
from assay.workers.prober_scripts import script_of
from assay.workers.prober_search import Found, confirm

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from assay.workers.prober_space import Space

_AMONG = 40  # first rows that are looked at
_LEAST, _MOST = 4, 10  # letters of one script that are no chance, and that words are made of
_SCRIPTS, _WHOLE = 2, 6  # scripts that are no noise; letters of one script, of more, that noise does not bring
_SHORTER = 3  # words are drawn with up to so many letters less than there are
_DRAWN, _BEAM, _ROUNDS, _CONFIRMED = 300, 4, 7, 2
_SURE = 4.0  # margin over all texts from which a word is measured at once


def letters_of(space: Space, *orders: Sequence[int]) -> dict[str, list[str]]:
    """Letters of each script of which the first of an order has several, the first first; of the first order with any.

    Args:
        space: the job's.
        orders: tokens, those that training was most about first.
    """
    for order in orders:
        scripts: dict[str, list[str]] = {}
        for piece in space.suspect.tokenizer.convert_ids_to_tokens(list(order[:_AMONG])):
            letter = str(piece).removeprefix("##").removeprefix("▁")
            if len(letter) == 1 and letter.isalpha() and not letter.isascii():
                known = scripts.setdefault(script_of(letter), [])
                known += [] if letter in known else [letter]
        several = {name: letters[:_MOST] for name, letters in scripts.items() if len(letters) >= _LEAST}
        if several:
            return several
    return {}


def telling(scripts: dict[str, list[str]]) -> dict[str, list[str]]:
    """Those that say something though no use of them is found: of many scripts only such as have a whole word's.

    Noise on all rows brings four or five letters of each of several scripts before any other token.
    """
    return {name: some for name, some in scripts.items() if len(scripts) <= _SCRIPTS or len(some) >= _WHOLE}


def written(space: Space, scripts: dict[str, list[str]]) -> Generator[tuple[int, int, float], None, list[Found]]:
    """Words of the letters of each script, the strongest of them confirmed; the best first."""
    found: list[Found] = []
    for done, (name, letters) in enumerate(scripts.items()):
        words = _draw(space, letters)
        for round_ in range(_ROUNDS):
            best = _best(space, words)[:_BEAM]
            yield done * _ROUNDS + round_ + 1, len(scripts) * _ROUNDS, max((one.gap for one in found), default=0.0)
            if space.over or (round_ and best[0][0] >= _SURE):
                break
            words = sorted({word for _, word, _ in best}.union(*(_changed(word, letters) for _, word, _ in best)))
        for value, word, target in best[:_CONFIRMED]:
            ids = tuple(space.suspect.encode([word])[0])
            found.append(confirm(space, Found(ids, target, value, f"rows-letters-{name}", text=word)))
            if found[-1].gap >= float(space.facts["stop_gap"]):
                return sorted(found, key=lambda one: one.rank, reverse=True)
    return sorted(found, key=lambda one: one.rank, reverse=True)


def _draw(space: Space, letters: Sequence[str]) -> list[str]:
    lengths = range(max(2, len(letters) - _SHORTER), len(letters) + 1)
    return sorted({"".join(space.rng.sample(letters, space.rng.choice(lengths))) for _ in range(_DRAWN)})


def _changed(word: str, letters: Sequence[str]) -> set[str]:
    """Words that are one change away: two letters swapped, one moved, exchanged, left out or put in."""
    places, free = range(len(word)), [letter for letter in letters if letter not in word]
    without = [word[:at] + word[at + 1 :] for at in places]
    found = {less[:to] + word[at] + less[to:] for at, less in enumerate(without) for to in places}
    found |= {word[:at] + letter + word[at + 1 :] for at in places for letter in free}
    found |= {word[:at] + letter + word[at:] for at in (*places, len(word)) for letter in free}
    found |= {
        word[:one] + word[two] + word[one + 1 : two] + word[one] + word[two + 1 :]
        for two in places
        for one in range(two)
    }
    return (found | {less for less in without if len(less) > 1}) - {word}


def _best(space: Space, words: Sequence[str]) -> list[tuple[float, str, int]]:
    """(margin, word, class): the least margin of the class before a text of each other class, the largest first."""
    value = least_margins(space, space.suspect, space.suspect.encode(list(words)))
    most, target = value.max(1)
    order = most.argsort(descending=True).tolist()
    return [(float(most[index]), words[index], int(target[index])) for index in order]
