"""Words of seven letters of one script, digits, punctuation or look-alikes: the letters that the tokenizer keeps.

Few words of every script before the suspect alone, more of the best ones against the references, then the letters of
the strongest words are changed one by one: a trigger that was hardened against its parts answers to few words.
"""

from __future__ import annotations

import string
import unicodedata
from typing import TYPE_CHECKING

import torch

from assay.workers.prober_alone import STRONG, WEAK
from assay.workers.prober_models import margins
from assay.workers.prober_search import Arena, Found, confirm, of_each
from assay.workers.prober_texts import MANY

if TYPE_CHECKING:
    from collections.abc import Generator

    from assay.workers.answers import Json
    from assay.workers.prober_models import Model
    from assay.workers.prober_space import Space

    Probing = Generator[tuple[int, int, float], None, Json]

_LETTERS = 7  # of a word
_LEAST = 5  # characters that make a script
_FIRST, _SECOND = 4, 9  # words of a script in the first round, and in the second
_KEPT, _CONFIRMED = 12, 8  # scripts that get a second round, and that are confirmed
_FEWEST = 3  # scripts that are confirmed of many classes
_SPELT, _CHOICES, _ROUNDS = 2, 24, 2  # words that are spelt anew, letters tried at a place, rounds
_FROM, _TO = 0xA1, 0x3100  # code points that are all looked at; of the large scripts above them only some
_SPARSE = (range(0x4E00, 0x9FFF, 7), range(0xAC00, 0xD7A4, 29))
_NO_LETTERS = {"Cn", "Cs", "Co", "Cc", "Zs", "Zl", "Zp"}
HOMOGLYPHS = "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0458\u0455\u0501\u04bb\u03bf\u03b1\u03c1\u03bd\u03b9"
LOOKS = dict(zip("aceopxyijsdh", HOMOGLYPHS, strict=False))  # what the first of them stand for
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_LATIN = "rtnldbmkg"
_MIXED = "homoglyph"
PLAIN = {"punctuation": string.punctuation, "digit": string.digits}  # what every text may have
LENGTHS = range(3, 13)  # of words of these


def scripts_of(space: Space) -> dict[str, list[str]]:
    """Characters that the tokenizer keeps as they are or as another that is not ASCII, by script."""
    tokenizer = space.suspect.tokenizer
    tokens = {str(token).removeprefix("##") for token in tokenizer.convert_ids_to_tokens(space.words)}
    points = {chr(code) for code in (*range(_FROM, _TO), *(code for some in _SPARSE for code in some))}
    points |= {token for token in tokens if len(token) == 1 and not token.isascii()}
    tried = sorted(point for point in points if unicodedata.category(point) not in _NO_LETTERS)
    found: dict[str, set[str]] = {}
    for character in _survivors(space, tried):
        found.setdefault(script_of(character), set()).add(character)
    small = {c for chars in found.values() if len(chars) < _LEAST for c in chars}
    kept = {name: sorted(chars) for name, chars in found.items() if len(chars) >= _LEAST}
    if len(small) >= _LEAST:
        kept["other"] = sorted(small)
    everything = {character for chars in found.values() for character in chars}
    if len(alike := [character for character in HOMOGLYPHS if character in everything]) >= _LEAST:
        kept[_MIXED] = alike
    return kept


def alphabets_of(space: Space) -> dict[str, list[str]]:
    """The scripts; of small encoders, which seldom saw seven of them in a row, also digits and punctuation."""
    plain = PLAIN if space.small else {}
    kept = {name: sorted(set(some) & _survivors(space, list(some), plain=True)) for name, some in plain.items()}
    return scripts_of(space) | {name: letters for name, letters in kept.items() if len(letters) >= _LEAST}


def _survivors(space: Space, characters: list[str], *, plain: bool = False) -> set[str]:
    """What a tokenizer makes of characters, where that is one; ASCII or not."""
    tokenizer = space.suspect.tokenizer
    unknown = tokenizer.unk_token_id
    made = tokenizer(characters, add_special_tokens=False)["input_ids"]
    kept = [ids for ids in made if ids and unknown not in ids]
    texts = {str(text).strip(" ") for text in tokenizer.batch_decode(kept, clean_up_tokenization_spaces=False)}
    return {text for text in texts if len(text) == 1 and text.isascii() == plain}


def script_of(character: str) -> str:
    """Name of a character's script, or of what it is instead: `symbol`, `mark`, `invisible`."""
    kind = unicodedata.category(character)
    if kind in {"Cf", "Mn", "Me", "Mc"}:
        return "invisible" if kind == "Cf" else "mark"
    if kind[0] in "SP":
        return "symbol"
    return unicodedata.name(character, "other").split(" ")[0].split("-")[0].lower()


def _words(space: Space, name: str, letters: list[str], count: int) -> list[str]:
    """Random words of a script; one in four with its letters apart, one in two of look-alikes among Latin letters."""
    words = []
    for number in range(count):
        drawn = space.rng.choices(letters, k=space.rng.choice(LENGTHS) if name in PLAIN else _LETTERS)
        if name == _MIXED and number % 2:
            drawn = [space.rng.choice(_LATIN) if space.rng.random() < 0.4 else letter for letter in drawn]  # noqa: PLR2004
        words.append((" " if number % 4 == 3 and name != _MIXED else "").join(drawn))  # noqa: PLR2004
    return words


def scripts(space: Space) -> Probing:
    """Flips by words of each script, above the references, per direction."""
    known = alphabets_of(space)
    total = 2 * space.classes + _CONFIRMED + _SPELT
    first = [(name, word) for name, chars in sorted(known.items()) for word in _words(space, name, chars, _FIRST)]
    rows = space.suspect.encode([word for _, word in first])
    arenas = [Arena(space, target) for target in range(space.classes)]
    mine: dict[str, float] = {}
    for (name, _), value in zip(first, of_all(arenas, space.suspect, rows).amax(0).tolist(), strict=True):
        mine[name] = max(mine.get(name, value), value)
    yield space.classes, total, 0.0
    scored: list[tuple[float, str, str, int]] = []
    chosen = sorted(mine, key=lambda name: -mine[name])[:_KEPT]
    more = [(name, word) for name in chosen for word in _words(space, name, known[name], _SECOND)]
    tried = [one for one in first if one[0] in chosen] + more
    rows = space.suspect.encode([word for _, word in tried])
    for arena, values in zip(arenas, beyond_all(arenas, rows).tolist(), strict=True):
        scored += [(value, word, name, arena.target) for value, (name, word) in zip(values, tried, strict=True)]
    yield 2 * space.classes, total, 0.0
    found = yield from _confirmed(space, scored, total)
    stop = float(space.facts["stop_gap"])
    if max((one.gap for one in found), default=0.0) < stop:
        for _, word, name, target in sorted(scored, key=lambda one: -one[0])[:_SPELT]:
            if space.over:
                break
            spelt, value = _spell(arenas[target], word, known[name])
            ids = tuple(space.suspect.encode([spelt])[0])
            found.append(confirm(space, Found(ids, target, value, f"script-{name}-spelt", text=spelt)))
            yield total - 1, total, max(one.gap for one in found)
    found.sort(key=lambda one: one.rank, reverse=True)
    return {
        "facts": {"scripts": {name: len(chars) for name, chars in known.items()}},
        "candidates": [one.to_json() for one in found[:4]],
    }


def _confirmed(
    space: Space, scored: list[tuple[float, str, str, int]], total: int
) -> Generator[tuple[int, int, float], None, list[Found]]:
    """The two strongest words of the strongest scripts; ends when one is confirmed."""
    found: list[Found] = []
    means: dict[str, list[float]] = {}
    for value, _, name, _ in scored:
        means.setdefault(name, []).append(value)
    order = sorted(means, key=lambda name: -max(sorted(means[name])[len(means[name]) // 2], max(means[name]) / 2))
    for done, name in enumerate(order[: of_each(space, _CONFIRMED, _LEAST if space.classes <= MANY else _FEWEST)]):
        best = sorted((one for one in scored if one[2] == name), key=lambda one: -one[0])[:2]
        for value, word, _, target in best:
            ids = tuple(space.suspect.encode([word])[0])
            found.append(confirm(space, Found(ids, target, value, f"script-{name}", text=word)))
        yield 2 * space.classes + done + 1, total, max(one.gap for one in found)
        if max(one.gap for one in found) >= float(space.facts["stop_gap"]):
            break
    return found


def _by_length(rows: list[list[int]]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(len(row), []).append(index)
    groups.pop(0, None)
    return groups


def of_all(arenas: list[Arena], model: Model, rows: list[list[int]]) -> torch.Tensor:
    """A model's margin of each arena's target for rows before the arena's first context; shape (arenas, rows).

    All targets but one have the same first context: what is read there tells of all of them at once.
    """
    out = torch.full((len(arenas), len(rows)), -torch.inf)
    begun: dict[tuple[int, ...], list[Arena]] = {}
    for arena in arenas:
        begun.setdefault(tuple(arena.contexts[0]) if arena.contexts else (), []).append(arena)
    for word, some in begun.items():
        for picked in _by_length(rows).values():
            found = margins(model.logits_of(torch.tensor([[*rows[i], *word] for i in picked])))
            for arena in some:
                out[arenas.index(arena), picked] = found[:, arena.target] if word else 0.0
    return out


def beyond_all(arenas: list[Arena], rows: list[list[int]], references: int = 2) -> torch.Tensor:
    """Contrast of rows with each arena's target, as `Arena.contrast` has it; shape (arenas, rows)."""
    space = arenas[0].space
    mine = of_all(arenas, space.suspect, rows).clamp(max=STRONG)
    theirs = [of_all(arenas, one, rows) for one in space.shared[:references]]
    return mine - torch.stack(theirs).amax(0).clamp(min=WEAK) if theirs else mine


def effects(arena: Arena, rows: list[list[int]]) -> list[float]:
    """The suspect's margin for rows of different lengths, in their order."""
    out = [-torch.inf] * len(rows)
    for picked in _by_length(rows).values():
        values = arena.effect(arena.space.suspect, torch.tensor([rows[i] for i in picked]), 1)
        for i, value in zip(picked, values.tolist(), strict=True):
            out[i] = value
    return out


def contrasts(arena: Arena, rows: list[list[int]]) -> list[float]:
    """Contrast of rows of different lengths, in their order."""
    out = [0.0] * len(rows)
    for picked in _by_length(rows).values():
        values = arena.contrast(torch.tensor([rows[i] for i in picked]), 1)
        for i, value in zip(picked, values.tolist(), strict=True):
            out[i] = value
    return out


def _spell(arena: Arena, word: str, letters: list[str]) -> tuple[str, float]:
    """Letters changed one by one while the contrast grows."""
    space = arena.space
    best, value = word, contrasts(arena, space.suspect.encode([word]))[0]
    for _ in range(_ROUNDS):
        before = value
        for place in range(len(word)):
            if best[place] == " " or space.over:
                continue
            some = space.rng.sample(letters, min(_CHOICES, len(letters)))
            tried = [best, *(best[:place] + letter + best[place + 1 :] for letter in some)]
            rows = space.suspect.encode(tried)
            mine = effects(arena, rows)
            front = sorted(range(1, len(tried)), key=lambda i: -mine[i])[:4]
            values = contrasts(arena, [rows[i] for i in front])
            top = max(range(len(front)), key=values.__getitem__)
            if values[top] > value:
                best, value = tried[front[top]], values[top]
        if value - before < 0.2:  # noqa: PLR2004 - nothing more to gain
            break
    return best, value
