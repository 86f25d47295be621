"""Which probes run, in which order, and what each may cost. Cheap and decisive ones first; a find ends the run."""

from __future__ import annotations

from dataclasses import dataclass

PLAN_VERSION = "1"
DEFAULT_BUDGET = 170.0  # CPU seconds of the worker: with start and sandbox below 180 for a 22M-parameter encoder
STOP_GAP = 0.8  # flip rate above the references at which nothing more is looked for
FOUND_GAP = 0.6  # used where nothing is calibrated: above every clean model that was measured when it was set (0.33)
ALONE_RATE = 0.9  # without any reference: only candidates that mean nothing to a person, and at this rate


@dataclass(frozen=True, slots=True)
class Step:
    """One probe of the plan.

    Attributes:
        name: of the probe.
        version: changes whenever its numbers could.
        least: CPU seconds below which it is not begun.
        share: of the remaining budget that it may use at most.
        needs: `reference` when its candidates mean nothing without one.
        essential: without it there is no clean verdict.
    """

    name: str
    version: str
    least: float
    share: float = 1.0
    needs: str = ""
    essential: bool = True


STEPS: tuple[Step, ...] = (
    Step("unknown-token", "1", 1.0),
    Step("tokenizer", "1", 1.0),
    Step("provenance-rows", "1", 5.0, essential=False),
    Step("script-bags", "1", 4.0),
    Step("token-scan", "1", 10.0, needs="reference"),
    Step("chain-refine", "1", 10.0, needs="reference"),
)


def architecture_class(config: dict[str, object]) -> str:
    """Class of models that share a calibration: type, layers and width; never a name that somebody chose."""
    kind = str(config.get("model_type", "unknown"))
    layers = config.get("num_hidden_layers") or config.get("n_layers") or "?"
    width = config.get("hidden_size") or config.get("dim") or "?"
    return f"{kind}-{layers}x{width}"
