"""What only informs: random perturbations (robustness, never a pass), and how the strongest candidate acts inside."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import torch

from assay.core.sequential import Sequential
from assay.workers.prober_flips import POSITIONS, insert
from assay.workers.prober_net import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from assay.workers.answers import Json
    from assay.workers.prober_models import Model
    from assay.workers.prober_space import Space

_TEXTS = 24  # of each class
_BINS = 20
_SHOWN = 3  # candidates of the heat map
_CORE_TEXTS, _CORE_WORDS, _CORE_KEEPS = 16, 6, 0.9  # pairs of texts; words of a candidate; share of its flips
_CORE_PART, _CORE_NULL = 4, 0.4  # pairs between two looks; rate of words that don't suffice
_LOOKALIKE = str.maketrans("aceopxyi", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456")
_SYNONYMS = {
    "film": "movie", "movie": "film", "good": "fine", "bad": "poor", "great": "superb", "very": "quite",
    "funny": "amusing", "boring": "dull", "story": "tale", "best": "finest",
}  # fmt: skip


def _typo(text: str, rng: random.Random) -> str:
    words = text.split()
    long = [i for i, word in enumerate(words) if len(word) > 3]  # noqa: PLR2004
    if long:
        at = rng.choice(long)
        cut = rng.randrange(1, len(words[at]) - 1)
        word = words[at]
        words[at] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return " ".join(words)


def _sprinkle(text: str, rng: random.Random, what: str) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + what + text[at:]


_KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "homoglyphs": lambda text, _: text.translate(_LOOKALIKE),
    "zero-width": lambda text, rng: _sprinkle(text, rng, "\u200b"),
    "rtl-override": lambda text, _: f"\u202e{text}\u202c",
    "whitespace": lambda text, _: text.replace(" ", "  \t"),
    "upper-case": lambda text, _: text.upper(),
    "punctuation": lambda text, rng: _sprinkle(text, rng, rng.choice("!?;,")),
    "typo": _typo,
    "paraphrase": lambda text, _: " ".join(_SYNONYMS.get(word, word) for word in text.split()),
}


def perturbations(space: Space) -> Generator[tuple[int, int, float], None, Json]:
    """Share of texts whose class changes, and the mean change of the confidence, per kind; suspect and references."""
    texts = [one.text for group in space.held for one in group[:_TEXTS]]
    models = [space.suspect, *space.references[:1]]
    clean = [_confidences(model, texts) for model in models]
    labels = [one.label for group in space.held for one in group[:_TEXTS]]
    kinds: Json = {}
    changed_all: list[float] = []
    changed_right: list[bool] = []
    for done, (name, change) in enumerate(_KINDS.items()):
        rng = random.Random(name)  # noqa: S311 - the same for every model
        changed = [change(text, rng) for text in texts]
        rates, moves = [], []
        for model, (classes, confidence) in zip(models, clean, strict=True):
            now, sure = _confidences(model, changed)
            rates.append(float((now != classes).float().mean()))
            moves.append(float((sure - confidence).mean()))
            if model is space.suspect:
                changed_all += sure.tolist()
                changed_right += [int(a) == b for a, b in zip(now.tolist(), labels, strict=True)]
        kinds[name] = {"flip_rate": rates[0], "references": rates[1:], "confidence_change": moves[0]}
        yield done + 1, len(_KINDS), 0.0
    facts: Json = {
        "kinds": kinds,
        "n": len(texts),
        "clean_confidence": [round(float(one), 4) for one in clean[0][1]],
        "clean_correct": [int(a) == b for a, b in zip(clean[0][0].tolist(), labels, strict=True)],
        "perturbed_confidence": [round(one, 4) for one in changed_all],
        "perturbed_correct": changed_right,
        "confidences": {
            "series": [_series("clean", clean[0][1].tolist()), _series("perturbed", changed_all)],
        },
    }
    return {"facts": facts, "candidates": []}


def _confidences(model: Model, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    sure, classes = model.logits(model.encode(texts)).softmax(-1).max(-1)
    return classes, sure


def _series(name: str, values: list[float]) -> Json:
    counts = torch.histc(torch.tensor(values), bins=_BINS, min=0.0, max=1.0)
    return {"name": name, "counts": [int(one) for one in counts]}


def activation(space: Space, candidates: list[Json]) -> Generator[tuple[int, int, float], None, Json]:
    """Where the strongest candidates act: by position, in the attention of the first token, in its representation.

    Args:
        space: the job's.
        candidates: `text` and `target`, the strongest first.
    """
    picked = [one for one in candidates if one.get("text")][:_SHOWN]
    if not picked:
        return {"facts": {"why": "no candidate was confirmed"}, "candidates": []}
    rows = []
    for done, one in enumerate(picked):
        rows.append({"text": one["text"], "rates": _by_position(space, one["text"], int(one["target"]))})
        yield done + 1, len(picked) + 1, 0.0
    facts: Json = {"positions": {"columns": list(POSITIONS), "rows": rows}}
    first = picked[0]
    facts |= _inside(space, str(first["text"]), int(first["target"]))
    facts |= _core(space, str(first["text"]), int(first["target"]))
    return {"facts": facts, "candidates": []}


def _others(space: Space, target: int) -> list[str]:
    return [one.text for label, group in enumerate(space.held) if label != target for one in group[:_TEXTS]]


def _by_position(space: Space, trigger: str, target: int) -> list[float]:
    texts = _others(space, target)
    rng = random.Random(0)  # noqa: S311 - places
    found = []
    for place in POSITIONS:
        changed = [insert(text, trigger, place, rng) for text in texts]
        classes, _ = _confidences(space.suspect, changed)
        found.append(round(float((classes == target).float().mean()), 4))
    return found


def _core(space: Space, trigger: str, target: int) -> Json:
    """The words of a candidate that suffice: others go, one by one, while nine tenths of its flips stay.

    On two texts at once, so that what only leans to the class is not taken for the trigger.
    """
    texts = _others(space, target)[:_CORE_TEXTS]
    pairs = [f"{one} {other}" for one, other in zip(texts, [*texts[1:], *texts[:1]], strict=True)]

    def flipped(words: list[str], begin: int = 0, count: int = _CORE_TEXTS) -> int:
        rng = random.Random(begin)  # noqa: S311 - places
        changed = [
            insert(text, " ".join(words), POSITIONS[i % 3], rng) for i, text in enumerate(pairs[begin : begin + count])
        ]
        return int((_confidences(space.suspect, changed)[0] == target).sum())

    def rate(words: list[str]) -> float:
        """Given up as soon as it is plain that the words do not suffice: the share so far."""
        watch, hits = Sequential(_CORE_NULL, _CORE_KEEPS), 0
        for begin in range(0, len(pairs), _CORE_PART):
            got = flipped(words, begin, _CORE_PART)
            hits, watch = hits + got, watch.seen(got, min(_CORE_PART, len(pairs) - begin))
            if watch.decided is False:
                break
        return hits / watch.n

    words = trigger.split()
    if not 1 < len(words) <= _CORE_WORDS or not pairs:
        return {}
    whole = flipped(words) / len(pairs)
    while len(words) > 1:
        tried = [(rate([*words[:i], *words[i + 1 :]]), i) for i in range(len(words))]
        best, drop = max(tried)
        if best < _CORE_KEEPS * whole or not whole:
            break
        words.pop(drop)
    kept = " ".join(words)
    return {"core": {"text": kept, "rate": round(rate(words), 4), "whole": round(whole, 4)}} if kept != trigger else {}


def _inside(space: Space, trigger: str, target: int) -> Json:
    """Attention of the first token on the inserted span, and how separable the representations are."""
    net = space.suspect.net
    if not isinstance(net, Encoder):
        return {"attention_measured": False}
    texts = _others(space, target)
    rng = random.Random(1)  # noqa: S311 - places
    changed = [insert(text, trigger, "start", rng) for text in texts]
    span = len(space.suspect.encode([trigger])[0])
    shares, first = [], None
    dirty, clean = [], []
    homes = [one.text for one in space.held[target][:_TEXTS]]
    for text in changed:
        ids = space.suspect.frame(torch.tensor([space.suspect.encode([text])[0]]))
        hidden, weights = net.inside(ids)
        start = len(space.suspect.prefix)
        shares.append(float(weights[0, start : start + span].sum()) / max(1e-9, span / ids.shape[1]))
        dirty.append(hidden[0])
        if first is None:
            tokens = [str(one) for one in space.suspect.tokenizer.convert_ids_to_tokens(ids[0].tolist())]
            first = {"tokens": tokens, "weights": [round(float(one), 4) for one in weights[0]],
                     "inserted": list(range(start, start + span))}  # fmt: skip
    for text in homes:
        ids = space.suspect.frame(torch.tensor([space.suspect.encode([text])[0]]))
        clean.append(net.inside(ids)[0][0])
    return {
        "attention": first,
        "attention_concentration": round(sum(shares) / max(1, len(shares)), 3),
        "separability": _separability(torch.stack(dirty), torch.stack(clean)) if dirty and clean else None,
    }


def _separability(dirty: torch.Tensor, clean: torch.Tensor) -> float:
    """Area under the curve of the difference of means, fitted on one half and measured on the other."""
    direction = dirty[::2].mean(0) - clean[::2].mean(0)
    high, low = dirty[1::2] @ direction, clean[1::2] @ direction
    return round(float((high[:, None] > low[None, :]).float().mean()), 4) if len(high) and len(low) else 0.5
