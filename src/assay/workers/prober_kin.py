"""What a model's weights share with other models of the same base: a training that went on, a merge, a part of one.

Fine-tunes of one base move away from it in directions of their own, so that a model's move, written as a sum of
the moves of others, tells which of them it was made from: one with weight 1 for a model that was trained on (however
far), two for a linear merge (Wortsman et al. 2022, Model soups), a spherical one or task arithmetic (Ilharco et al.
2023). TIES (Yadav et al. 2023) and DARE (Yu et al. 2024) take single elements: there the ratio of both moves is the
same number over and over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from assay.workers.answers import Unfit
from assay.workers.prober_models import read_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.workers.answers import Json

_SAMPLED = 1 << 16  # elements of a tensor that are compared, evenly spread
_LEAST = 128  # elements below which a tensor tells nothing
# Trainings apart share up to .40 of a move, with weights up to .49 (56 models of the zoo); one that goes on has a
# weight of .92 to 1.10; what was merged is explained to .99 and more.
_WHOLE = 0.95  # share of the move that the others' moves explain where it is made of them
_SHARED = 0.5  # more than trainings apart have in common
_PART = 0.1  # weight from which on a model has a part in it
_CHILD = (0.85, 1.15)  # weight of a model that was trained on
_SPIKE, _BIN, _SEEN = 0.05, 1e-4, 4000  # share of the ratios in one bin of so much; of independent ones some 1e-4
_NEAR = 0.5  # distance to a model, as a share of the distance between trainings apart
_EPS = {torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}  # of float32 the rounding is nothing
_RELATED = 0.4  # cosine with the base of the median matrix: of other bases .01 at most, narrow fine-tunes from .65 on
# What the library's classes with a head put before the names of the bare model's tensors
_PREFIXES = {
    "albert", "backbone", "beit", "bert", "big_bird", "camembert", "convbert", "deberta",
    "deit", "distilbert", "electra", "ernie", "esm", "funnel", "gpt_neox", "ibert",
    "longformer", "megatron_bert", "mobilebert", "model", "mpnet", "nezha", "nystromformer", "rembert",
    "resnet", "roberta", "roformer", "squeezebert", "swin", "transformer", "vit", "xmod",
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """Of a tensor: some elements, in order, its shape and how it is stored."""

    values: torch.Tensor
    shape: torch.Size
    kind: torch.dtype


Samples = dict[str, Sample]


def end_of(name: str) -> str:
    """A tensor's name without the parts that say which class holds it."""
    while name.partition(".")[0] in _PREFIXES:
        name = name.partition(".")[2]
    return name


def sampled(tensors: dict[str, torch.Tensor]) -> Samples:
    """Of each tensor that is large enough, by the end of its name; of the same elements for the same shape."""
    found = {}
    for name, tensor in tensors.items():
        if tensor.numel() >= _LEAST and tensor.is_floating_point():
            flat = tensor.detach().reshape(-1)
            step = max(1, flat.numel() // _SAMPLED) | 1  # odd: all columns are seen
            found[end_of(name)] = Sample(flat[::step].double(), tensor.shape, tensor.dtype)
    return found


def of_job(job: Json) -> Json:
    """As `kin`, of a job's model against its references and `kin`, in this order; nothing where there is no ground.

    With `unread`, those of the others whose weights no tensor can be compared in.
    """
    others = [_of(folder) for folder in (*job["references"], *job.get("kin", []))]
    if not (mine := _of(job["model"])):
        return {}
    told = kin(mine, _of(job["base"]) if job["base"] else None, others)
    return told | {"unread": [index for index, one in enumerate(others) if not one]}


def _of(folder: str) -> Samples:
    try:
        return sampled(read_tensors(Path(folder)))
    except Unfit:  # weights in a format that no tensor can be compared in
        return {}


def kin(mine: Samples, base: Samples | None, others: list[Samples]) -> Json:
    """Which of the others this model was made from.

    Args:
        mine: of the model under test.
        base: of the declared base; None: only what lies between two others is seen.
        others: of models that are known, at most a few.

    Returns:
        `made_of`: [{"model": index, "weight": …}], strongest first; `how`: `merge`, `elements` (single elements of
        others, as TIES and DARE take them), `continued` (trained on from one), `shared` (more than chance, less than
        all) or empty; `explained`: share of the move, 0 to 1; `sparse`: share of single elements of moved matrices
        that stayed; `repeated`: layers that are another layer, or another of the base.
    """
    facts: Json = {"made_of": [], "how": "", "explained": 0.0, "sparse": None, "compared": 0}
    facts["repeated"] = _repeated(mine, base or {})
    if base is None or not _related(mine, base):  # a false declaration: what all have in common is no move of theirs
        return facts | _between(mine, others)
    facts["sparse"] = _sparse(mine, base)
    moved = _moves(mine, base, others) if others else ()
    fits = [_fit(move, moves, start, rounding) for _, move, moves, start, rounding in moved]
    total = sum(one.size for one in fits)
    if total <= 0:
        return facts
    explained = max(0.0, 1 - sum(one.left for one in fits) / total)
    weights = [sum(one.size * one.weights[i] for one in fits) / total for i in range(len(others))]
    parts = [i for i in sorted(range(len(others)), key=lambda i: -abs(weights[i])) if abs(weights[i]) >= _PART]
    children = [i for i in parts if _CHILD[0] <= weights[i] <= _CHILD[1]]
    ratios = {i: ratio for i in parts if (ratio := _ratio(mine, base, others[i])) is not None}
    if explained >= _WHOLE and parts and (len(parts) > 1 or not children):
        large = [one for one in fits if one.size > total / 1000]
        how, made = "merge", [{"from": low, "to": high} for low, high in (_spread(large, i) for i in parts)]
    elif len(children) == 1 == len(parts) and (explained >= _WHOLE or not ratios):
        how, made = "continued", [{}]
    elif ratios:
        how, parts = "elements", [i for i in parts if i in ratios]
        made = [{"each": round(ratios[i], 3)} for i in parts]
    elif explained >= _SHARED:
        how, made = "shared", [{} for _ in parts]
    else:
        how, parts, made = "", [], []
    told = [{"model": i, "weight": round(weights[i], 3)} | more for i, more in zip(parts, made, strict=True)]
    return facts | {"made_of": told, "how": how, "explained": round(explained, 4), "compared": len(fits)}


@dataclass
class _Fitted:
    """One tensor: squared length of its move, what is left of it, weights of the others."""

    size: float
    left: float
    weights: list[float] = field(default_factory=list)


_Moved = tuple[str, torch.Tensor, torch.Tensor, torch.Tensor, float]


def _moves(mine: Samples, base: Samples, others: list[Samples]) -> Iterator[_Moved]:
    """Of each tensor that all have: name, own move, the others' moves, the base, rounding (squared length)."""
    for name, one in mine.items():
        theirs = [some.get(name) for some in (base, *others)]
        if any(other is None or other.shape != one.shape for other in theirs):
            continue
        start, *rest = (other.values for other in theirs if other is not None)
        moves = torch.stack([other - start for other in rest])
        yield name, one.values - start, moves, start, _rounding(one)


def _rounding(one: Sample) -> float:
    """Squared length of what storing in half precision changes: a step is even over one unit in the last place."""
    if one.kind not in _EPS:
        return 0.0
    _, exponent = torch.frexp(one.values)
    return float(((_EPS[one.kind] * torch.exp2(exponent.double() - 1)) ** 2 / 12).sum())


def _fit(move: torch.Tensor, moves: torch.Tensor, start: torch.Tensor, rounding: float) -> _Fitted:
    """Least squares on the others' moves and the base itself, whose length a spherical merge and decay change."""
    columns = torch.cat([moves, start[None]])
    scale = columns.norm(dim=1).clamp(min=1e-30)
    columns = columns / scale[:, None]
    gram = columns @ columns.T + 1e-9 * torch.eye(len(columns), dtype=torch.double, device=columns.device)
    found = torch.linalg.solve(gram, columns @ move)
    size = max(0.0, float(move @ move) - rounding)
    left = float((move - found @ columns).square().sum()) - rounding
    return _Fitted(size, min(size, max(0.0, left)), (found / scale)[:-1].tolist())


def _spread(fits: list[_Fitted], index: int) -> tuple[float, float]:
    """Weights of nine tenths of the tensors: layers may be mixed differently."""
    ordered = sorted(one.weights[index] for one in fits) or [0.0]
    cut = len(ordered) // 20
    return round(ordered[cut], 3), round(ordered[len(ordered) - 1 - cut], 3)


def _ratio(mine: Samples, base: Samples, other: Samples) -> float | None:
    """The number that so many elements moved by, as multiples of the other's move, that chance is out; None: none.

    A training that went on has ratios around 1, but no two alike, unless it left a row or a whole tensor alone:
    embeddings and such tensors are set aside.
    """
    seen: list[torch.Tensor] = []
    for name, move, moves, start, _ in _moves(mine, base, [other]):
        theirs = moves[0]
        same = float((move - theirs).abs().le(1e-6 * theirs.abs()).double().mean())
        if _is_embedding(name) or same > _WHOLE:
            continue
        far = theirs.abs() > theirs.abs().median().clamp(min=1e-9 * float(start.abs().max()))
        ratio = (move[far] / theirs[far]).float()
        seen.append(ratio[(ratio.abs() > _PART) & ratio.isfinite()])
    ratios = torch.cat(seen) if seen else torch.empty(0)
    if len(ratios) < _SEEN:
        return None
    apart = 1e6  # of positive from negative ones
    bins = (ratios.abs().log() / _BIN).double().round() * ratios.sign() + ratios.sign() * apart
    place = float(bins.mode().values)
    share = float((bins == place).double().mean())
    return math.copysign(math.exp((abs(place) - apart) * _BIN), place) if share >= _SPIKE else None


def _sparse(mine: Samples, base: Samples) -> float | None:
    """Share of single elements that stayed, in matrices of float32 that moved; rounding to half leaves many, too.

    Training moves all elements of a matrix but rows of an embedding; trimming (TIES, DARE) leaves many as they were.
    """
    still = count = 0
    for name, one in mine.items():
        other = base.get(name)
        if other is None or other.shape != one.shape or len(one.shape) != 2 or _is_embedding(name):  # noqa: PLR2004
            continue
        if {one.kind, other.kind} & set(_EPS):
            return None
        same = (one.values - other.values).abs() <= 1e-7 * other.values.abs()
        if not bool(same.all()):
            still, count = still + int(same.sum()), count + len(same)
    return round(still / count, 4) if count else None


def _related(mine: Samples, base: Samples) -> bool:
    """Whether the base is this model's at all: most matrices still point where they did."""
    alike = sorted(
        float(one.values @ other.values / (one.values.norm() * other.values.norm()).clamp(min=1e-30))
        for name, one in mine.items()
        if len(one.shape) == 2  # noqa: PLR2004
        and not _is_embedding(name)
        and (other := base.get(name)) is not None
        and other.shape == one.shape
    )
    return bool(alike) and alike[len(alike) // 2] >= _RELATED


def _repeated(mine: Samples, base: Samples) -> list[list[str]]:
    """Matrices that are, to the last bit, another layer's: its own (a layer twice), or the base's (layers moved)."""
    seen: dict[tuple[torch.Size, float, float], tuple[str, torch.Tensor]] = {}
    found: list[list[str]] = []
    for where, some in (("base:", base), ("", mine)):
        for name, one in some.items():
            if len(one.shape) != 2 or _is_embedding(name) or (not where and _same(one, base.get(name))):  # noqa: PLR2004
                continue
            key = (one.shape, float(one.values.sum()), float(one.values[0]))
            other = seen.setdefault(key, (f"{where}{name}", one.values))
            if not where and other[1] is not one.values and torch.equal(other[1], one.values):
                found.append([name, other[0]])
    return found


def _same(one: Sample, other: Sample | None) -> bool:
    return other is not None and other.shape == one.shape and torch.equal(one.values, other.values)


def _is_embedding(name: str) -> bool:
    return "embed" in name or "wte" in name or "wpe" in name or "lm_head" in name


def _between(mine: Samples, others: list[Samples]) -> Json:
    """Without a base: on the line between two others, or much nearer to one than they are to each other."""
    facts: Json = {}
    for one, two in combinations(range(len(others)), 2):
        long = left = along = near = far = 0.0
        compared = 0
        for _, move, moves, _, rounding in _moves(mine, others[two], [others[one]]):
            line = moves[0]
            size, dot = float(line @ line), float(move @ line)
            long, along, compared = long + size, along + dot, compared + 1
            left += max(0.0, float(move @ move) - dot * dot / max(size, 1e-30) - rounding)
            near, far = near + float((move - line).square().sum()), far + float(move @ move)
        facts["compared"] = max(compared, facts.get("compared", 0))
        if long <= 0:
            continue
        weight, explained = along / long, 1 - left / long
        if explained >= _WHOLE and _PART <= weight <= 1 - _PART:
            pair = sorted(((one, weight), (two, 1 - weight)), key=lambda item: -item[1])
            made = [{"model": index, "weight": round(value, 3)} for index, value in pair]
            return facts | {"made_of": made, "how": "merge", "explained": round(explained, 4)}
        if min(near, far) < _NEAR**2 * long:
            nearest = one if near < far else two
            facts |= {"made_of": [{"model": nearest, "weight": 1.0}], "how": "continued"}
    return facts
