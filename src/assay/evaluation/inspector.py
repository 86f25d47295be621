"""Re-run evaluations as evidence of an admission.

Suites are named in the settings with the digest of their file, and name the digest of their data: an altered suite or
data file gives no evidence that a policy would accept. Where the policy requires this evidence, an unsigned suite gives
none either. A model that no suite fits is *inconclusive*, never fine. Evaluation scripts that the model brings are run
for what they try, never for what they say.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError, UsageError
from assay.core.evidence import Evidence, Outcome, Unread
from assay.evaluation.data import TABLES
from assay.evaluation.evaluate import NAME, evaluate, version
from assay.evaluation.guest import Runner
from assay.evaluation.measure_classes import TABULAR, config_of
from assay.evaluation.reading import read_claims
from assay.evaluation.scripts import ScriptRecorder
from assay.evaluation.signed import Signatures, Signed
from assay.evaluation.suite import Suite, load_suite

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.core.pin import Pin

_ENDINGS = {
    "text-classification": ("ForSequenceClassification",),
    "text-regression": ("ForSequenceClassification",),
    "image-classification": ("ForImageClassification",),
    "token-classification": ("ForTokenClassification",),
    "causal-lm": ("ForCausalLM", "LMHeadModel"),
    "multiple-choice": ("ForCausalLM", "LMHeadModel"),
    "safety": ("ForCausalLM", "LMHeadModel"),
    "harness": ("ForCausalLM", "LMHeadModel"),
}


class Evaluations:
    """The inspector `evaluation`.

    Args:
        pins: suites of the settings.
        runner: a guest that is running already; None: one of its own.
        layers: of the sandbox that the policy asks for.
        signatures: who signed the suites; None: not looked at.
        require_signed: whether a suite that nobody trusted signed is refused.
        scripts: runs what came with the model; None: one of its own.
    """

    name = NAME

    def __init__(
        self,
        pins: tuple[Pin, ...],
        runner: Runner | None = None,
        layers: tuple[str, ...] = (),
        *,
        signatures: Signatures | None = None,
        require_signed: bool = False,
        scripts: ScriptRecorder | None = None,
    ) -> None:
        self._pins = pins
        self._runner = runner
        self._layers = layers
        self._signatures = signatures
        self._require_signed = require_signed
        self._scripts = scripts or ScriptRecorder(layers)

    @property
    def version(self) -> str:
        """Changes with the code."""
        return version()

    def inspect(self, subject: Subject) -> Evidence:
        """Run every suite that fits the model and compare."""
        try:
            suites = [load_suite(pin.path, pinned=pin.digest) for pin in self._pins]
            signed = self._signed(suites)
            fitting = [suite for suite in suites if fits(suite, subject)]
            if fitting:
                with ExitStack() as stack:
                    runner = self._runner or stack.enter_context(Runner(layers=self._layers))
                    done = evaluate(subject, fitting, runner=runner, signed=signed, scripts=self._scripts)
                    return done.evidence
            return self._unfit(subject, len(suites))
        except (UsageError, ContentError) as error:  # an altered suite, altered data, a broken config.json
            return self._told_nothing(subject, str(error))

    def _signed(self, suites: list[Suite]) -> dict[str, Signed]:
        """Signature of each suite, by its digest.

        Raises:
            UsageError: unsigned, where the policy requires this evidence.
        """
        if self._signatures is None and not self._require_signed:
            return {}
        check = self._signatures or Signatures(None, datetime.now(UTC))
        found = {}
        for pin, suite in zip(self._pins, suites, strict=True):
            signed = found[str(suite.digest)] = check.of(pin.path, suite)
            if self._require_signed and not signed.key:
                raise UsageError(f"suite {suite.name}: {signed.reason}", hint="assay suite sign")
        return found

    def _unfit(self, subject: Subject, suites: int) -> Evidence:
        """Nothing was measured; what its scripts try is told all the same."""
        told = self._told_nothing(subject, f"none of {suites} suites fits this model")
        ran = self._scripts.record(subject, read_claims(subject).scripts)
        if not ran.runs:
            return told
        outcome = Outcome.FOUND if any(one.severity > 0 for one in ran.findings) else told.outcome
        facts = {"script_runs": ran.runs, "script_layers": ran.layers}
        return replace(told, outcome=outcome, findings=tuple(ran.findings), facts=facts)

    def _told_nothing(self, subject: Subject, why: str) -> Evidence:
        return Evidence(
            subject=subject.snapshot.id,
            inspector=self.name,
            version=self.version,
            settings={"suites": [str(pin.digest) for pin in self._pins]},
            outcome=Outcome.INCONCLUSIVE,
            unread=(Unread("", why[:1000]),),
        )


def fits(suite: Suite, subject: Subject) -> bool:
    """Whether the model says that it does the suite's task."""
    if suite.task in TABLES:
        return any(entry.path.lower().endswith(TABULAR) for entry in subject.snapshot.files)
    config: Any = config_of(subject)
    architectures = config.get("architectures") if isinstance(config, dict) else None
    names = [name for name in architectures if isinstance(name, str)] if isinstance(architectures, list) else []
    if suite.task in _OF_SEQUENCES and (suite.task == "text-regression") != gives_a_number(config):
        return False
    return any(name.endswith(_ENDINGS[suite.task]) for name in names)


_OF_SEQUENCES = {"text-classification", "text-regression"}


def gives_a_number(config: dict[str, Any]) -> bool:
    """Whether a model for sequences has one output: a regression, whatever `problem_type` says."""
    table = config.get("id2label")
    return config.get("num_labels") == 1 or (isinstance(table, dict) and len(table) == 1)
