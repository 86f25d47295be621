"""How confidences drift under perturbation: calibration error, entropy, bimodality. Informs, decides nothing. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.behaviour.distributions import dip_test, entropy, expected_calibration_error

if TYPE_CHECKING:
    from assay.behaviour.records import ProbeResult

_FEW = 8  # values below which a distribution says nothing


def described(probe: ProbeResult) -> ProbeResult:
    """The probe `perturbation` with the drift of its confidences among its facts; any other as it is."""
    if probe.probe != "perturbation":
        return probe
    facts = dict(probe.facts)
    clean, changed = (_numbers(facts.pop(key, None)) for key in ("clean_confidence", "perturbed_confidence"))
    correct = facts.pop("clean_correct", None)
    if len(clean) < _FEW or len(changed) < _FEW:
        return replace(probe, facts=facts)
    drift: dict[str, Any] = {}
    if isinstance(correct, list) and len(correct) == len(clean):
        drift["calibration_error"] = expected_calibration_error(clean, [bool(one) for one in correct])
    for name, values in (("clean", clean), ("perturbed", changed)):
        statistic, p_value = dip_test(values)
        uncertain = sum(entropy([one, 1 - one]) for one in values) / len(values)
        drift[name] = {"dip": statistic, "dip_p_value": p_value, "mean_entropy_bits": uncertain}
    return replace(probe, facts=facts | {"drift": drift})


def _numbers(value: Any) -> list[float]:
    if not isinstance(value, list):
        return []
    return [min(1.0, max(0.0, float(one))) for one in value[:5000] if isinstance(one, int | float)]
