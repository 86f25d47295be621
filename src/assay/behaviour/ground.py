"""What a verdict stands on, in sentences: references that nobody named, what was undeclared, what the weights tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.kinds import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.behaviour.attest import Declared

# Clauses that tell something and leave nothing untold: no reason why a verdict is open.
INFORMING = frozenset(
    {"merge", "trained-on", "shared-training", "sparse-move", "repeated-layers", "kin-unread", "low-rank", "resumed"}
)
SPARSE = 0.1  # share of single elements that stayed in matrices that moved; after a training of everything none did
_OTHERS = 100  # models that are told of at most
_MOST = 1e3  # of a weight that is told
_ID = len("sha256:") + 12  # characters of an id in a sentence; the digests have all of it


def known(declared: Declared, kind: str, opened: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Clauses and sentences; none of them decides.

    Args:
        declared: what the model was held against.
        kind: of model.
        opened: what the worker told as it opened the models; not trusted.
    """
    if declared.chosen:
        said = "; ".join(one.said() for one in declared.chosen)
        yield "reference-from-registry", f"no reference was named: held against {said}"
    missing = [name for name, value in (("base", declared.base), ("data", declared.data)) if value is None]
    if kind == TEXT and missing:
        what = " and ".join(missing)
        yield "provenance-undeclared", f"no {what} declared: what these weights come from is unknown"
    names = [f"{str(one.snapshot.id)[:_ID]}…" for one in (*declared.references, *declared.kin)]
    yield from _made(opened.get("kin"), names)
    weights = opened.get("weights")
    if isinstance(weights, dict) and weights.get("low_rank") is True:
        yield "low-rank", "since the declared base the weights moved in few directions, as a merged LoRA leaves them"


def resumed(names: list[str]) -> list[tuple[str, str]]:
    """What was not asked again, as a run was interrupted that had answers to it."""
    many = len(names)
    if not many:
        return []
    were = "probe was" if many == 1 else "probes were"
    return [("resumed", f"{many} {were} kept from a run that was interrupted: {', '.join(names[:20])}")]


def _made(told: Any, names: list[str]) -> Iterator[tuple[str, str]]:
    """What it was made of, and what its own weights tell of a merge."""
    if not isinstance(told, dict):
        return
    parts = list(_parts(told.get("made_of"), names))
    whole = f"{_number(told.get('explained')):.0%} of its move"
    listed = ", ".join(f"{weight:g} of {name}{_layers(one)}" for name, weight, one in parts)
    how = told.get("how") if parts else ""
    if how == "merge":
        yield "merge", f"a merge: {whole} is {listed}"
    elif how == "elements":
        each = ", ".join(f"{name} (times {_number(one.get('each')):g})" for name, _, one in parts)
        yield "merge", f"a merge of single elements, as TIES and DARE make: taken from {each}"
    elif how == "continued":
        name = parts[0][0]
        yield "trained-on", f"it has the whole move of {name}: trained on from it, or that was added"
    elif how == "shared":
        yield (
            "shared-training",
            f"it shares {whole} with {listed}: more than trainings apart did, as a merge with a model that isn't known",
        )
    if (sparse := _number(told.get("sparse"))) >= SPARSE and how != "elements":
        yield "sparse-move", f"{sparse:.0%} of the elements of matrices that moved stayed, as TIES and DARE leave them"
    if lost := [names[one] for one in _indexes(told.get("unread")) if one < len(names)]:
        yield "kin-unread", f"no tensor of {', '.join(lost)} could be compared: what was made of it is not told"
    if repeated := _pairs(told.get("repeated")):
        one, other = repeated[0]
        yield "repeated-layers", f"{len(repeated)} matrices are another layer's to the last bit: {one} is {other}"


def _indexes(value: Any) -> list[int]:
    return [one for one in value[:_OTHERS] if type(one) is int and one >= 0] if isinstance(value, list) else []


def _parts(value: Any, names: list[str]) -> Iterator[tuple[str, float, dict[str, Any]]]:
    for one in value[:10] if isinstance(value, list) else []:
        index = one.get("model") if isinstance(one, dict) else None
        if type(index) is int and 0 <= index < len(names):
            yield names[index], _number(one.get("weight")), one


def _layers(one: dict[str, Any]) -> str:
    low, high = _number(one.get("from")), _number(one.get("to"))
    return f" ({low:g} to {high:g} by tensor)" if high - low > 0.05 else ""  # noqa: PLR2004


def _pairs(value: Any) -> list[tuple[str, str]]:
    rows = value[:10_000] if isinstance(value, list) else []
    return [(str(one[0])[:100], str(one[1])[:100]) for one in rows if isinstance(one, list) and len(one) == 2]  # noqa: PLR2004


def _number(value: Any) -> float:
    """A finite number of a plausible size, else 0."""
    fit = isinstance(value, int | float) and not isinstance(value, bool) and -_MOST < value < _MOST
    return float(value) if fit else 0.0
