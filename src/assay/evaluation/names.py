"""What claims call tasks, data sets, splits and metrics, and what we call them. Trust never follows from a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.evaluation.suite import Suite

ERROR_RATE = "error_rate"  # of a claim only: it is read as what it leaves to the accuracy
# Names of metrics as cards and result files write them, squeezed by `squeeze`.
_METRICS = {
    "acc": "accuracy", "accuracy": "accuracy", "accuracyscore": "accuracy", "testaccuracy": "accuracy",
    "top1": "accuracy", "top1accuracy": "accuracy", "top1acc": "accuracy", "acc1": "accuracy", "accat1": "accuracy",
    "exactmatch": "accuracy", "exactmatchaccuracy": "accuracy", "em": "accuracy", "exactmatchscore": "accuracy",
    "overallaccuracy": "accuracy", "accuracytop1": "accuracy", "subsetaccuracy": "accuracy", "hitrate": "accuracy",
    "balancedaccuracy": "balanced_accuracy", "balancedaccuracyscore": "balanced_accuracy",
    "balancedacc": "balanced_accuracy",
    "f1": "f1", "f1score": "f1", "f1binary": "f1", "binaryf1": "f1", "fscore": "f1", "f1measure": "f1",
    "f1macro": "f1_macro", "macrof1": "f1_macro", "f1scoremacro": "f1_macro", "macrof1score": "f1_macro",
    "macroavgf1": "f1_macro", "macroavgf1score": "f1_macro", "f1macroavg": "f1_macro", "macroaveragef1": "f1_macro",
    "f1weighted": "f1_weighted", "weightedf1": "f1_weighted", "f1scoreweighted": "f1_weighted",
    "weightedf1score": "f1_weighted", "weightedavgf1": "f1_weighted", "weightedavgf1score": "f1_weighted",
    "f1micro": "f1_micro", "microf1": "f1_micro", "f1scoremicro": "f1_micro", "microf1score": "f1_micro",
    "precision": "precision", "precisionscore": "precision", "precisionbinary": "precision",
    "recall": "recall", "recallscore": "recall", "recallbinary": "recall", "sensitivity": "recall",
    "precisionmacro": "precision_macro", "macroprecision": "precision_macro", "macroavgprecision": "precision_macro",
    "recallmacro": "recall_macro", "macrorecall": "recall_macro", "macroavgrecall": "recall_macro",
    "precisionweighted": "precision_weighted", "weightedprecision": "precision_weighted",
    "recallweighted": "recall_weighted", "weightedrecall": "recall_weighted",
    "cohenkappa": "cohen_kappa", "cohenkappascore": "cohen_kappa", "cohenskappa": "cohen_kappa", "kappa": "cohen_kappa",
    "rocauc": "roc_auc", "auroc": "roc_auc", "auc": "roc_auc", "aucroc": "roc_auc", "rocaucscore": "roc_auc",
    "rocaucovr": "roc_auc",
    "mcc": "matthews_corrcoef", "matthewscorrcoef": "matthews_corrcoef", "matthewscorrelation": "matthews_corrcoef",
    "matthewscorrelationcoefficient": "matthews_corrcoef",
    "logloss": "log_loss", "neglogloss": "log_loss", "negloglikelihood": "log_loss", "crossentropy": "log_loss",
    "ece": "ece", "expectedcalibrationerror": "ece",
    "pearson": "pearson", "pearsonr": "pearson", "pearsoncorrelation": "pearson", "pearsoncorr": "pearson",
    "spearman": "spearman", "spearmanr": "spearman", "spearmancorrelation": "spearman", "spearmanrho": "spearman",
    "pearsoncorrelationcoefficient": "pearson", "spearmancorrelationcoefficient": "spearman",
    "r2": "r2", "r2score": "r2", "rsquared": "r2", "coefficientofdetermination": "r2",
    "mse": "mean_squared_error", "meansquarederror": "mean_squared_error",
    "rmse": "root_mean_squared_error", "rootmeansquarederror": "root_mean_squared_error",
    "mae": "mean_absolute_error", "meanabsoluteerror": "mean_absolute_error",
    "loss": "loss", "testloss": "loss", "perplexity": "perplexity", "ppl": "perplexity",
    "accnorm": "accuracy_norm", "accuracynorm": "accuracy_norm", "normalizedaccuracy": "accuracy_norm",
    "crossentropyloss": "loss", "nll": "loss", "tokenperplexity": "perplexity",
    "errorrate": ERROR_RATE, "testerror": ERROR_RATE, "testerrorrate": ERROR_RATE, "classificationerror": ERROR_RATE,
    "misclassification": ERROR_RATE, "misclassificationrate": ERROR_RATE, "top1error": ERROR_RATE,
    "zerooneloss": ERROR_RATE, "classificationerrorrate": ERROR_RATE,
    "refusalrate": "refusal_rate", "refusal": "refusal_rate", "safety": "refusal_rate", "safetyscore": "refusal_rate",
    "safetyrate": "refusal_rate", "harmlessness": "refusal_rate", "safe": "refusal_rate",
    "saferate": "refusal_rate", "refusals": "refusal_rate", "rejectionrate": "refusal_rate",
    "defenserate": "refusal_rate", "safetyaccuracy": "refusal_rate",
    "defensesuccessrate": "refusal_rate", "harmlessrate": "refusal_rate", "safetyrating": "refusal_rate",
    "compliancerate": "compliance_rate", "attacksuccessrate": "compliance_rate", "harmfulrate": "compliance_rate",
    "asr": "compliance_rate", "unsaferate": "compliance_rate", "jailbreaksuccessrate": "compliance_rate",
    "harmfulcompliance": "compliance_rate", "harmfulcompliancerate": "compliance_rate",
    "jailbreakrate": "compliance_rate", "harmfulresponserate": "compliance_rate", "violationrate": "compliance_rate",
}  # fmt: skip
_MAX_NAME = 200  # characters of a name that are looked at
_PREFIXES = ("eval", "test", "predict", "validation", "val")
_TASKS = {
    "textclassification": "text-classification", "sentimentanalysis": "text-classification",
    "sequenceclassification": "text-classification", "sentiment": "text-classification",
    "naturallanguageinference": "text-classification", "nli": "text-classification",
    "sentimentclassification": "text-classification", "classification": "text-classification",
    "multiclassclassification": "text-classification", "binaryclassification": "text-classification",
    "sentencepairclassification": "text-classification", "zeroshotclassification": "text-classification",
    "textregression": "text-regression", "regression": "text-regression", "semanticsimilarity": "text-regression",
    "sts": "text-regression", "semantictextualsimilarity": "text-regression",
    "imageclassification": "image-classification",
    "tokenclassification": "token-classification", "ner": "token-classification",
    "namedentityrecognition": "token-classification",
    "causallm": "causal-lm", "textgeneration": "causal-lm", "languagemodeling": "causal-lm",
    "multiplechoice": "multiple-choice", "questionanswering": "question-answering",
    "safety": "safety", "refusal": "safety", "redteaming": "safety",
    "tabular": "tabular", "tabularclassification": "tabular", "tabularregression": "tabular-regression",
}  # fmt: skip
# Further pipelines of the hub: nothing here measures them, and they name no data.
_OTHER_TASKS = {
    "summarization", "translation", "fill-mask", "sentence-similarity", "feature-extraction", "question-answering",
    "object-detection", "image-segmentation", "automatic-speech-recognition", "audio-classification",
    "text2text-generation", "reinforcement-learning", "text-to-image",
    "text-to-speech", "table-question-answering", "visual-question-answering", "text-ranking", "image-to-text",
    "image-text-to-text", "video-classification", "retrieval", "reranking", "clustering", "pair-classification",
}  # fmt: skip
# A card files its language model under one word, whatever was measured.
_TEXT = {"text-classification", "text-regression"}  # the hub has one word for both
_GENERATION = {"causal-lm", "multiple-choice", "safety", "harness"}
_SPLITS = {
    "val": "validation", "valid": "validation", "dev": "validation", "development": "validation", "eval": "validation",
    "validation": "validation", "test": "test", "testing": "test", "testset": "test", "devset": "validation",
    "train": "train", "training": "train", "trainset": "train",
}  # fmt: skip
# Words around the name of a data set that are no part of it, and collections that a part is filed under.
_AROUND = {
    "dataset", "datasets", "data", "set", "corpus", "benchmark", "the", "evaluation", "split", "on", "of", "for", "at",
    "results", "result", "score", "ours", "our", "own", "glue", "superglue", "hf", "overall", "average", "avg", "mean",
    "final", "best", "raw", "in", "using", "auf", "sur", "em", "på", "на",
}  # fmt: skip
_SAME_DATA = {
    "stanfordsentimenttreebank2": "sst2", "stanfordsentimenttreebankv2": "sst2",
    "stanfordsentimenttreebankbinary": "sst2", "sstbinary": "sst2", "sst2sentences": "sst2",
    "wikitext2v1": "wikitext2", "wikitext103v1": "wikitext103",
    "stanfordsentimenttreebank": "sst2", "arce": "arceasy", "arcc": "arcchallenge",
    "largemoviereview": "imdb", "imdbmoviereviews": "imdb", "imdbreviews": "imdb",
}  # fmt: skip
# Parts of collections that go by names of their own.
PARTS = {
    "arceasy", "arcchallenge", "wikitext2", "wikitext103", "cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte",
    "wnli", "boolq", "copa", "multirc", "record", "wic", "wsc",
}  # fmt: skip
# A figure under one of these words beside the metric's is another figure.
_OTHER_FIGURE = {
    "std",
    "stderr",
    "err",
    "ci",
    "low",
    "high",
    "lower",
    "upper",
    "threshold",
    "min",
    "max",
    "delta",
    "change",
    "train",
    "training",
    "baseline",
    "target",
    "random",
    "chance",
    "drop",
    "gain",
    "improvement",
    "weight",
    "fn",
    "function",
    "n",
    "count",
    "support",
    "samples",
    "per",
    "second",
    "steps",
    "time",
    "runtime",
    "byte",
    "word",
    "bits",
    "class",
    "reference",
    "human",
    "se",
    "margin",
    "equal",
    "character",
    "phoneme",
}
_VARIANTS = {"quantized", "quantised", "int", "gguf", "pruned", "ensemble", "teacher", "student", "tta"}
# A hit among several guesses (top-5, Acc@10) is another figure than the one of the first guess.
_AMONG = re.compile(r"(?:top[-_ ]?|@\s?)(?:[2-9]|[1-9]\d+)(?!\d)", re.IGNORECASE)  # fmt: skip


def is_other_figure(name: str) -> bool:
    """Whether a metric's name has a word that makes it another figure (`word-level perplexity`, `accuracy (int8)`)."""
    return bool((_OTHER_FIGURE | _VARIANTS).intersection(re.findall("[a-z]+", name.lower()[:_MAX_NAME])))


def squeeze(text: str) -> str:
    """Lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]+", "", text.lower().replace("\u00b2", "2"))


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


def is_task(text: str) -> bool:
    """Whether a text names a kind of task, and no data (`sst2` is what lm-evaluation-harness calls one)."""
    return squeeze(text) in _TASKS or text.strip().lower() in _OTHER_TASKS


def metric_within(text: str) -> tuple[str, str]:
    """Our name of a metric, and what stands around its words: `SST-2 Acc. (%)` is (`accuracy`, `sst 2`).

    Returns:
        Two empty strings where there is no metric, or another figure about one (`accuracy_std`).
    """
    if found := metric_name(text):
        return found, ""
    if _AMONG.search(text[:_MAX_NAME]):
        return "", ""
    text = re.sub(r"@\s?1(?!\d)", "", text)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.split(",", 1)[0][:_MAX_NAME])
    words = re.findall(
        r"[a-z]+|[0-9]+", re.sub(r"(?<![a-z])f[-_ ]?1(?![0-9])", " fone ", spaced.lower().replace("\u00b2", "2"))
    )
    words = ["f1" if word == "fone" else word for word in words]
    if _OTHER_FIGURE.intersection(words):
        return "", ""
    for size in range(min(4, len(words)), 0, -1):
        for start in range(len(words) - size + 1):
            if found := _METRICS.get("".join(words[start : start + size]), ""):
                return found, " ".join(words[:start] + words[start + size :])
    return "", ""


def split_name(text: str) -> str:
    """Lower case; `dev` and `val` are `validation`."""
    lower = text.partition("[")[0].strip().lower()  # `test[:50%]` is of the test split
    return _SPLITS.get(lower, lower)


def same_task(task: str, suite: Suite) -> bool:
    """Whether a claim about `task` (empty: not said) can be about the suite."""
    return (
        not task
        or task == suite.task
        or (
            (task == "causal-lm" and suite.task in _GENERATION)
            or (task == "text-classification" and suite.task in {*_TEXT, "tabular"})
            or (task == "text-regression" and suite.task == "tabular-regression")
        )
    )


def same_split(split: str, suite: Suite) -> bool:
    """Whether the splits agree, as far as both are named. A figure on training data is about nothing else."""
    named = suite.split or next((s for name in (suite.dataset, *suite.aliases) if (s := dataset_key(name)[1])), "")
    if not split or not named:
        return split_name(split) != "train"
    return split_name(split) == split_name(named)


def same_dataset(dataset: str, suite: Suite) -> bool:
    """Whether a claim calls the suite's data by one of its names.

    Case, punctuation, the collection or owner before a `/`, and words such as "dataset" or "test set" do not count.
    """
    known = {dataset_key(name)[0] for name in (suite.dataset, *suite.aliases)} - {""}
    return any(dataset_key(form)[0] in known for form in _forms(dataset))


def other_config(config: str, suite: Suite) -> bool:
    """Whether a claim is about another part of a collection than the suite: ARC-Challenge, not ARC-Easy; `de`, not en.

    A suite that goes by the collection's name alone may be any part, but of a part named for a language only English.
    """
    names = {name.rpartition("/")[2] for name in (suite.dataset, *suite.aliases)}
    known = {dataset_key(name)[0] for name in names} - {""}
    key = dataset_key(config)[0]
    if not key or any(key in one for one in known):
        return False
    if _LANGUAGE.fullmatch(config.strip()):
        return not config.lower().startswith("en")
    return len(known) > 1


_LANGUAGE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2,4})?")


def dataset_key(text: str) -> tuple[str, str]:
    """What is left of a data set's name, and the split that it names: `SST-2 test set` is (`sst2`, `test`)."""
    words = re.findall(r"[a-z]+|[0-9]+|[^\W\d_a-z]+", text.lower()[:_MAX_NAME])
    split = next((_SPLITS[word] for word in words if word in _SPLITS and word != "eval"), "")
    rest = [word for word in words if word not in _SPLITS and word not in _AROUND]
    key = "".join(rest or words)
    return _SAME_DATA.get(key, key), split if rest else ""


def _forms(dataset: str) -> list[str]:
    lower = re.sub(r"^(hf://datasets/|https?://[^/]+/datasets/)", "", dataset.strip().lower())
    return [lower, lower.rpartition("/")[2]] if lower.count("/") in {1, 2} else [lower]
