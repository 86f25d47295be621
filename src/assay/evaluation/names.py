"""What claims call tasks, data sets, splits and metrics, and what we call them. Trust never follows from a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.evaluation.suite import Suite

# Names of metrics as cards and result files write them, squeezed by `squeeze`.
_METRICS = {
    "acc": "accuracy", "accuracy": "accuracy", "accuracyscore": "accuracy", "testaccuracy": "accuracy",
    "top1": "accuracy", "top1accuracy": "accuracy", "exactmatch": "accuracy",
    "balancedaccuracy": "balanced_accuracy",
    "f1": "f1", "f1score": "f1", "f1binary": "f1",
    "f1macro": "f1_macro", "macrof1": "f1_macro", "f1scoremacro": "f1_macro", "macrof1score": "f1_macro",
    "precisionmacro": "precision_macro", "macroprecision": "precision_macro",
    "recallmacro": "recall_macro", "macrorecall": "recall_macro",
    "rocauc": "roc_auc", "auroc": "roc_auc", "auc": "roc_auc", "aucroc": "roc_auc",
    "mcc": "matthews_corrcoef", "matthewscorrcoef": "matthews_corrcoef", "matthewscorrelation": "matthews_corrcoef",
    "matthewscorrelationcoefficient": "matthews_corrcoef",
    "logloss": "log_loss", "negloglikelihood": "log_loss", "crossentropy": "log_loss",
    "ece": "ece", "expectedcalibrationerror": "ece",
    "loss": "loss", "testloss": "loss", "perplexity": "perplexity", "ppl": "perplexity",
    "accnorm": "accuracy_norm", "accuracynorm": "accuracy_norm",
    "refusalrate": "refusal_rate", "refusal": "refusal_rate", "safety": "refusal_rate", "safetyscore": "refusal_rate",
    "safetyrate": "refusal_rate", "harmlessness": "refusal_rate", "safe": "refusal_rate",
    "compliancerate": "compliance_rate", "attacksuccessrate": "compliance_rate", "harmfulrate": "compliance_rate",
}  # fmt: skip
_PREFIXES = ("eval", "test", "predict", "validation", "val")
_TASKS = {
    "textclassification": "text-classification", "sentimentanalysis": "text-classification",
    "sequenceclassification": "text-classification", "sentiment": "text-classification",
    "naturallanguageinference": "text-classification",
    "tokenclassification": "token-classification", "ner": "token-classification",
    "namedentityrecognition": "token-classification",
    "causallm": "causal-lm", "textgeneration": "causal-lm", "languagemodeling": "causal-lm",
    "multiplechoice": "multiple-choice", "questionanswering": "question-answering",
    "safety": "safety", "refusal": "safety", "redteaming": "safety",
    "tabular": "tabular", "tabularclassification": "tabular",
}  # fmt: skip
# A card files its language model under one word, whatever was measured.
_GENERATION = {"causal-lm", "multiple-choice", "safety"}
_SPLITS = {"val": "validation", "dev": "validation", "development": "validation", "eval": "validation"}
_PREFIX_OF_HUBS = ("glue/", "stanfordnlp/", "nyu-mll/", "hf://datasets/")


def squeeze(text: str) -> str:
    """Lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]+", "", text.lower())


def metric_name(text: str) -> str:
    """Our name of a metric, or an empty string for one that is not measured here.

    `eval_accuracy`, `test-acc` and `acc,none` (lm-evaluation-harness: metric, filter) are all `accuracy`.
    """
    squeezed = squeeze(text.split(",", 1)[0])
    if squeezed in _METRICS:
        return _METRICS[squeezed]
    for prefix in _PREFIXES:
        if squeezed.startswith(prefix) and squeezed.removeprefix(prefix) in _METRICS:
            return _METRICS[squeezed.removeprefix(prefix)]
    return ""


def task_name(text: str) -> str:
    """Our name of a task; what is unknown stays as it is, in lower case."""
    return _TASKS.get(squeeze(text), text.strip().lower())


def split_name(text: str) -> str:
    """Lower case; `dev` and `val` are `validation`."""
    lower = text.strip().lower()
    return _SPLITS.get(lower, lower)


def same_task(task: str, suite: Suite) -> bool:
    """Whether a claim about `task` (empty: not said) can be about the suite."""
    return not task or task == suite.task or (task == "causal-lm" and suite.task in _GENERATION)


def same_split(split: str, suite: Suite) -> bool:
    """Whether the splits agree, as far as both are named."""
    return not split or not suite.split or split_name(split) == split_name(suite.split)


def same_dataset(dataset: str, suite: Suite) -> bool:
    """Whether a claim calls the suite's data by one of its names; case and punctuation do not count."""
    known = {squeeze(name) for name in (suite.dataset, *suite.aliases)}
    return any(squeeze(form) in known for form in _forms(dataset))


def _forms(dataset: str) -> list[str]:
    lower = dataset.strip().lower()
    return [lower, *(lower.removeprefix(prefix) for prefix in _PREFIX_OF_HUBS if lower.startswith(prefix))]
