"""How confidences drift when texts are changed: calibration error, entropy, bimodality. It only informs. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.behaviour.distributions import dip_test, entropy, expected_calibration_error

if TYPE_CHECKING:
    from assay.behaviour.records import ProbeResult

_FEW = 8  # values below which a distribution says nothing
# What is held against the clean texts, by probe: random perturbations, or the strongest candidate inserted.
_CHANGED = {"perturbation": "perturbed", "injection": "injected"}


def described(probe: ProbeResult) -> ProbeResult:
    """A probe of `_CHANGED` with the drift of its confidences among its facts; any other as it is."""
    name = _CHANGED.get(probe.probe)
    if name is None:
        return probe
    facts = dict(probe.facts)
    sure = {one: _numbers(facts.pop(f"{one}_confidence", None)) for one in ("clean", name)}
    right = {one: facts.pop(f"{one}_correct", None) for one in ("clean", name)}
    if min(map(len, sure.values())) < _FEW:
        return replace(probe, facts=facts)
    drift: dict[str, Any] = {}
    for one, values in sure.items():
        statistic, p_value = dip_test(values)
        uncertain = sum(entropy([value, 1 - value]) for value in values) / len(values)
        drift[one] = {"dip": statistic, "dip_p_value": p_value, "mean_entropy_bits": uncertain}
        correct = right[one]
        if isinstance(correct, list) and len(correct) == len(values):
            drift[one]["calibration_error"] = expected_calibration_error(values, [bool(each) for each in correct])
    return replace(probe, facts=facts | {"drift": drift})


def _numbers(value: Any) -> list[float]:
    if not isinstance(value, list):
        return []
    return [min(1.0, max(0.0, float(one))) for one in value[:5000] if isinstance(one, int | float)]
