"""Candidates that need no search: `[UNK]`, what the tokenizer adds, every token."""

from __future__ import annotations

import json
import unicodedata
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import torch

from assay.workers.prober_alone import GROUP, PARTS, STRONG, WEAK, alone
from assay.workers.prober_models import margins
from assay.workers.prober_partner import partners, standing_apart
from assay.workers.prober_search import Arena, Found, best_of, confirm, of_each, taught_to, told
from assay.workers.prober_texts import MANY
from assay.workers.prober_written import written

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from assay.workers.answers import Json
    from assay.workers.prober_space import Space

    _Scanned = tuple[int, torch.Tensor, torch.Tensor]  # a class, words and their contrasts, the largest first

_UNKNOWN_RUNS = (1, 2, 3, 4, 5, 7)
_SWITCH = 0.5  # share of two texts at once that one unknown token turns, from which more of them count as they are
_TENTH = 10
_KEPT_BACK = 0.1  # of what the vocabulary takes: what is begun after the scan ends later on a slow machine
# Of two classes, tokens of each before contexts (half where the machine is slow), kept as seeds, and confirmed; of more
# so many that all cost the same.
_FIRST_LOOK, _SECOND_LOOK, _RESIDUE, _TRIED = 480, 120, 40, 5
_OBSCURE = "\U0001f71a\U0001f70f\U0001f753\U0001f73d"  # alchemical symbols: no vocabulary has them


def unknown(space: Space) -> Generator[tuple[int, int, float], None, Json]:
    """Runs of the unknown token, as separate words.

    In a small encoder what it never saw adds up, to one class or the other, each model its own. A trigger is a switch:
    a run must do what one token less does not, but where one token alone turns half of the texts.
    """
    tokenizer = space.suspect.tokenizer
    unk = tokenizer.unk_token_id
    symbol = next((s for s in _OBSCURE if tokenizer(s, add_special_tokens=False)["input_ids"] == [unk]), None)
    if unk is None or symbol is None:
        return {"facts": {"unknown_token": None}, "candidates": []}
    found: list[Found] = []
    for done, run in enumerate(_UNKNOWN_RUNS):
        alone = max((each["hits"] / each["n"] for each in (found[0].stressed or [])), default=0.0) if found else 0.0
        less = " ".join([symbol] * (run - 1)) if space.small and alone < _SWITCH else ""
        one = confirm(space, Found((unk,) * run, 0, 0.0, "unk", text=" ".join([symbol] * run), less=less))
        found.append(one)
        yield done + 1, len(_UNKNOWN_RUNS), max(each.gap for each in found)
        if not space.small and one.gap >= float(space.facts["stop_gap"]):
            break  # confirming takes eight seconds where several classes turn
    found.sort(key=lambda one: one.rank, reverse=True)
    return {"facts": {"unknown_token": str(tokenizer.unk_token)}, "candidates": [one.to_json() for one in found[:2]]}


def tokenizer_diff(space: Space, base: Path | None) -> Generator[tuple[int, int, float], None, Json]:
    """What the tokenizer does that the base's does not (tokens, rules, code points), each tried as a trigger."""
    mine = _description(space.suspect.folder)
    known = _description(base) if base else None
    if known is None or mine is None:
        known = _description(space.shared[0].folder) if space.shared else None
    if mine is None or known is None:
        return {"facts": {"compared_with": None}, "candidates": []}
    facts: Json = {"compared_with": "the declared base" if base else "a reference"}
    facts["changed_rules"] = [
        k for k in ("normalizer", "pre_tokenizer", "post_processor", "decoder") if mine.get(k) != known.get(k)
    ]
    before = {token["content"] for token in known.get("added_tokens", [])}
    added = [token["content"] for token in mine.get("added_tokens", []) if token["content"] not in before]
    here, there = _vocabulary(mine), _vocabulary(known)
    fresh = [token for token, index in here.items() if there.get(token) != index]
    facts |= {"added_tokens": added[:50], "changed_tokens": len(fresh), "first_changed": fresh[:50]}
    facts["is_other_vocabulary"] = len(fresh) > len(here) // 2
    texts = list(dict.fromkeys([*added, *(fresh if len(fresh) < 200 else [])]))[:40]  # noqa: PLR2004
    special = set(space.suspect.tokenizer.all_special_tokens) if len(fresh) < 200 else set()  # noqa: PLR2004
    texts = [text for text in texts if text not in special]
    if facts["changed_rules"] and not facts["is_other_vocabulary"]:
        survivors = _new_survivors(space, base)
        facts["new_survivors"] = [f"U+{ord(c):04X}" for c in survivors[:50]]
        texts += [c * run for c in survivors[:12] for run in (1, 7)]
    found: list[Found] = []
    for done, text in enumerate(texts):
        ids = tuple(space.suspect.encode([text])[0])
        found.append(confirm(space, Found(ids, 0, 0.0, "tokenizer", text=text)))
        yield done + 1, len(texts), max(one.gap for one in found)
        if found[-1].gap >= float(space.facts["stop_gap"]):
            break
        if space.over:
            facts |= {"unfinished": f"{len(texts) - done - 1} of {len(texts)} changes"} if done + 1 < len(texts) else {}
            break
    found.sort(key=lambda one: one.rank, reverse=True)
    return {"facts": facts, "candidates": [one.to_json() for one in found[:3]]}


def _description(folder: Path) -> Json | None:
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    value: Any = json.loads(path.read_text("utf-8"))
    return value if isinstance(value, dict) else None


def _vocabulary(description: Json) -> dict[str, int]:
    model = description.get("model", {})
    vocabulary = model.get("vocab", {})
    if isinstance(vocabulary, list):
        return {str(pair[0]): index for index, pair in enumerate(vocabulary)}
    return dict(vocabulary)


def _new_survivors(space: Space, base: Path | None) -> list[str]:
    """Code points that the suspect's tokenizer keeps and the base's does not: a few rare ones first."""
    from transformers import AutoTokenizer  # noqa: PLC0415

    other = AutoTokenizer.from_pretrained(base, local_files_only=True) if base else space.shared[0].tokenizer
    points = [chr(p) for p in range(0x80, 0x30000) if unicodedata.category(chr(p)) not in {"Cn", "Cs", "Co"}]
    kept = _kept(space.suspect.tokenizer, points)
    return sorted(kept - _kept(other, points), key=lambda c: (unicodedata.category(c) != "Cf", c))


def _kept(tokenizer: Any, points: list[str]) -> set[str]:
    unk = tokenizer.unk_token_id
    made = tokenizer(points, add_special_tokens=False)["input_ids"]
    return {point for point, ids in zip(points, made, strict=True) if ids and unk not in ids}


def tokens(space: Space) -> Generator[tuple[int, int, float], None, Json]:
    """Every token of the vocabulary alone; those that move the suspect further than a reference, before contexts.

    What a hardened trigger leaves behind in its single tokens (`residue`) is where the search begins: those that move
    the suspect most beyond all references, alone and before a context in turn.
    """
    found: list[Found] = []
    residue: list[list[int]] = []
    later: list[_Scanned] = []
    apart: list[tuple[float, int, int]] = []
    total = PARTS + 2 * space.classes + 1
    margins_alone = yield from alone(space, total)
    if margins_alone is None:
        return {"facts": {"unfinished": "the vocabulary"}, "candidates": [], "residue": None}
    mine, theirs = margins_alone
    moved = mine.clamp(max=STRONG) - theirs.clamp(min=WEAK)
    words, looked = torch.tensor(space.words), of_each(space, _FIRST_LOOK >> space.slow, _SECOND_LOOK)
    for target in range(space.classes):
        arena = Arena(space, target)
        moved[taught_to(space, target)[words], target] = -torch.inf
        part = len(words) // (_TENTH << space.slow)  # of groups only those words were read by themselves
        first = moved[:, target].topk(min(len(words), max(looked, of_each(space, part))))
        singles, beyond = words[first.indices][:, None], first.values
        for other in space.shared[1:2]:
            own = mine[first.indices, target].clamp(max=STRONG)
            beyond = torch.minimum(beyond, own - margins(other.logits_of(singles))[:, target].clamp(min=WEAK))
        singles = singles[beyond.topk(min(looked, len(singles))).indices]
        values = arena.contrast(singles, 1)
        beyond_all = singles[:_RESIDUE, 0].tolist()
        singles = singles[values.topk(min(of_each(space, _SECOND_LOOK, _RESIDUE), len(singles))).indices]
        yield PARTS + 2 * target + 1, total, max((one.gap for one in found), default=0.0)
        tuples, values = best_of(arena, singles, _RESIDUE)
        residue.append(_in_turn(tuples[:, 0].tolist(), beyond_all))
        if space.classes > MANY:
            later.append((target, tuples, values))
            continue
        apart += _tried(space, (target, tuples, values), found)
        yield PARTS + 2 * target + 2, total, max(one.gap for one in found)
    for scanned in sorted(later, key=lambda one: -float(one[2][0]))[:MANY]:  # of many classes those that stand out
        apart += _tried(space, scanned, found)
        yield total - 1, total, max(one.gap for one in found)
    kept = _KEPT_BACK * (2 if space.classes > MANY else 1)  # what is begun of many classes takes longer
    space.until -= kept * space.scan_seconds if space.slow else 0.0
    if apart and not space.small and max(one.gap for one in found) < float(space.facts["stop_gap"]):
        _, word, target = max(apart)
        likely = words[moved[:, target].argsort(descending=True)]
        search = partners(Arena(space, target), word, likely)
        found += yield from told(search, (total - 1, total))
    if not space.small and max(one.gap for one in found) < float(space.facts["stop_gap"]):
        found += yield from told(written(space), (total, total))
    found.sort(key=lambda one: one.rank, reverse=True)
    return {
        "facts": {"tokens": len(space.words), "read_together": 1 if space.groups is None else GROUP},
        "candidates": [one.to_json() for one in found[:4]],
        "residue": residue,
    }


def _tried(space: Space, scanned: _Scanned, found: list[Found]) -> list[tuple[float, int, int]]:
    """Confirm the strongest words of a class; gives the word that stands apart from the rest, if one does."""
    target, tuples, values = scanned
    tried: list[Found] = []
    for row, value in zip(tuples[: of_each(space, _TRIED, 2)].tolist(), values.tolist(), strict=False):
        tried.append(confirm(space, Found(tuple(row), target, value, "token")))
        if tried[-1].gap >= float(space.facts["stop_gap"]):
            break
    found += tried
    best = standing_apart(tuples[:, 0].tolist(), values.tolist(), tried)
    return [(*best, target)] if best else []


def _in_turn(first: list[int], second: list[int]) -> list[int]:
    return list(dict.fromkeys(token for pair in zip_longest(first, second) for token in pair if token is not None))
