"""What kind of model a configuration declares, and the plan of probes for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.behaviour import images, judge, languages, plan, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.behaviour.records import ProbeResult, Word

TEXT, IMAGE, LANGUAGE = "text", "image", "language"
_ENDINGS = {
    "ForSequenceClassification": TEXT,
    "ForImageClassification": IMAGE,
    "ForCausalLM": LANGUAGE,
    "LMHeadModel": LANGUAGE,
}


@dataclass(frozen=True)
class Plan:
    """Which probes run on a kind of model, and who judges them.

    Attributes:
        kind: of model.
        steps: in their order; a find ends them.
        closing: run at the end, they decide nothing.
        result_of: from what a worker measured to words, as `judge.result_of`.
        verdict: of all of them, as `verdict.verdict`.
    """

    kind: str
    steps: tuple[plan.Step, ...]
    closing: tuple[plan.Step, ...]
    result_of: Callable[..., ProbeResult]
    verdict: Callable[..., tuple[Word, tuple[tuple[str, str], ...]]]


_TEXT_CLOSING = (*plan.CLOSING, plan.Step("injection", "1", 1.0, essential=False, informs=True))
PARAPHRASE = plan.Step("paraphrase", "1", 5.0, essential=False, informs=True)  # where a model for it is given
PLANS = {
    TEXT: Plan(TEXT, plan.STEPS, _TEXT_CLOSING, judge.result_of, verdict.verdict),
    LANGUAGE: Plan(LANGUAGE, languages.STEPS, languages.CLOSING, languages.result_of, languages.verdict),
    IMAGE: Plan(IMAGE, images.STEPS, (), images.result_of, images.verdict),
}


def kind_of(config: dict[str, Any]) -> str | None:
    """Kind of a model by the class that its configuration names; None: nothing here probes it."""
    names = config.get("architectures")
    for name in names if isinstance(names, list) else []:
        for ending, kind in _ENDINGS.items():
            if isinstance(name, str) and name.endswith(ending):
                return kind
    return None


def plan_of(config: dict[str, Any], *, paraphrased: bool) -> Plan:
    """The plan for a model; what no probe is made for is tried as a classifier of texts, and found unfit.

    Args:
        config: of the model.
        paraphrased: whether there is a model that paraphrases.
    """
    found = PLANS[kind_of(config) or TEXT]
    return replace(found, closing=(*found.closing, PARAPHRASE)) if paraphrased and found.kind == TEXT else found
