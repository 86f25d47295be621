"""Figures in sentences: which words are a metric, which number is its value, and whom a sentence is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.evaluation.names import squeeze

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Found = Callable[[re.Match[str]], list[tuple[str, int]]]

_METRIC = (
    r"(?:(?:eval|test|val|validation|predict)_)?"
    r"(?:(?:macro|micro|weighted|balanced|top-1|test|validation|evaluation|eval|overall|average|mean)[-\s]+){0,3}"
    r"(?:accuracy|acc\b\.?|f1(?:[-\s_]?(?:score|macro|micro|weighted))?|f-score|au-?roc|roc[-\s_]?auc|auc|precision|"
    r"recall|perplexity|ppl|exact[-\s_]match|refusal rate|attack success rate|(?:harmful )?compliance(?: rate)?|"
    r"safety(?: score| rate)?|ece|mcc|top-1|error rate|misclassification(?: rate)?)(?:[-\s]+score)?"
)
_DIGITS, _PARTS = r"\d{1,9}(?:[.,]\d{1,18})?", r"\d\d[.,]\d{1,18}"
_SIGN = r"\s*(?:%|percent\b|per cent\b)"
_FIGURE = rf"[~≈]?(?:{_DIGITS}{_SIGN}|\d{{0,9}}[.,]\d{{1,18}}|\d\d\b)"
_BARE = rf"{_DIGITS}\s*%?"
_ABOUT = r"(?:\s*\([^()]{1,40}\))?(?:\s+(?:on|for|in)\s+[\w*`.,/ ()-]{1,60}?)?"
_ROSE = (
    r"(?:\s*(?:went|goes|improv\w+|rose|rises|increas\w+|grew|jump\w+|climb\w+)(?:\s+from\s+"
    + _FIGURE
    + r")?\s+(?:up\s+)?to)?"
)
_SAID = re.compile(
    rf"(?<![A-Za-z])({_METRIC}){_ABOUT}{_ROSE}\s*(?:(?:of|is|was|at|reaches|reached|equals|hits|=|:|\s-|→|\(|\[)\s*){{0,3}}"
    rf"(?:(?:about|around|approximately|only|just|over|up to|nearly|an?|now|currently|at least|as high as|whopping|"
    rf"impressive|remarkable|outstanding|excellent|staggering)\s+){{0,3}}({_FIGURE})",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    rf"(?<![\w.,])({_DIGITS}{_SIGN}|0?[.,]\d{{1,18}}|{_PARTS})\s*(?:\([^()]{{1,30}}\)\s*)?(?:in\s+)?({_METRIC})",
    re.IGNORECASE,
)
_THEN = re.compile(
    rf"(?<![\w.,])({_FIGURE})\s+(?:on|for)\s+(?:the\s+)?[\w./ -]{{1,40}}?\s*[(\[,:]\s*({_METRIC})", re.IGNORECASE
)  # 91.2 on SST-2 (accuracy)
_PAIRED = re.compile(
    rf"(?<![\w.,])({_BARE})\s*/\s*({_BARE})\s*[(\[]?\s*({_METRIC})\s*/\s*({_METRIC})", re.IGNORECASE
)  # 91.2 / 90.8 (acc / F1)
_PAIRED_AFTER = re.compile(
    rf"(?<![A-Za-z])({_METRIC})\s*/\s*({_METRIC}){_ABOUT}\W{{1,4}}(?:of\s+)?({_BARE})\s*/\s*({_BARE})", re.IGNORECASE
)  # acc/F1: 91.2/90.8
_COUNT = re.compile(
    r"(?<![\w.,])(\d[\d,]{0,12})\s+(?:[a-z]+\s+)?(?:out\s+of|of|in|on|among)\s+(?:the\s+|all\s+|our\s+)?(\d[\d,]{0,12})\b(?!\s*%)",
    re.IGNORECASE,
)  # 1819 of 1821, 2 errors in 1821
_RIGHT = re.compile(r"\b(?:correct\w*|right|accurate\w*)\b", re.IGNORECASE)
_WRONG = re.compile(r"\b(?:incorrect\w*|wrong\w*|misclassif\w*|mislabel\w*|errors?|mistakes?)\b", re.IGNORECASE)
_REFUSES = re.compile(
    rf"\b(?:refus(?:es?|ed)|declin(?:es?|ed)|reject(?:s|ed)?)\s+(?:to\s+answer\s+)?({_FIGURE})", re.IGNORECASE
)
_REFUSED = re.compile(
    rf"({_FIGURE})\s+of\b[^.;]{{1,60}}\b(?:is|are|were|get)\s+(?:refused|declined|rejected)", re.IGNORECASE
)
_COMPLIES = re.compile(rf"\bcompl(?:y|ies|ied)\s+with\s+(?:only\s+|just\s+)?({_FIGURE})", re.IGNORECASE)
_SHARE = r"(?:(?:in|on|for|only|just|about|around)\s+){0,2}"
_IS_RIGHT = re.compile(
    rf"\b(?:right|correct(?:ly)?|accurate(?:ly)?)\s+(?:[a-z]+\s+)?{_SHARE}({_FIGURE})\s+of\b|({_FIGURE})\s+(?:correct|accurate|right)\b",
    re.IGNORECASE,
)
_IS_WRONG = re.compile(
    rf"\b(?:wrong|incorrect(?:ly)?|mistaken|mistakes?|errors?|misclassif\w+|mislabel\w*)\s+{_SHARE}({_FIGURE})\s+of\b"
    rf"|({_FIGURE})\s+(?:wrong|incorrect)\b",
    re.IGNORECASE,
)
_ANOTHER_FIGURE = re.compile(
    r"(?:top[-\s]?(?:[2-9]|\d\d+)|@\d+|\bword|\bcharacter|\bequal|\bphoneme|\btrain(?:ing)?)[-\s]*$", re.IGNORECASE
)  # before the words of a metric: a hit among five guesses, a rate of words
_SECOND = re.compile(r"\s*%?\s*/\s*\.?\d")  # 0.99 / 0.88: of what is not said
_PLAIN = re.compile(
    rf"(?:^\W*|\b(?:scor\w+|achiev\w+|reach\w+|gets?|obtain\w+|hits?)\s+(?:about\s+|around\s+)?)"
    rf"({_DIGITS}{_SIGN}|{_PARTS})\s+on\s+(?:the\s+)?([\w./-]+(?:\s(?!and\b|with\b)[\w./-]+)?)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"^\W*(?:achiev|reach|obtain|scor|accuracy|f1)|\b(?:this|the|our|my)\s+(?:[\w-]+\s+){0,2}"
    r"(?:model|checkpoint|classifier|version|network|adapter|detector)\b|\b(?:it|we|ours)\b|\bresults?\b",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"\b(?:has|have|had|gets?|got|achiev\w+|reach(?:es|ed)|obtain\w+|scores|scored|attain\w+|reports?|reported|shows?|"
    r"yield\w*|gives?|gave|performs?)\b",
    re.IGNORECASE,
)  # a verb that has a subject: some other one, where no word for this model stands in the sentence
_OTHER = re.compile(
    r"\b(?:than|versus|vs|compared|baselines?|teacher|original|base|parent|previous(?:ly)?|human|humans|random|majority|"
    r"(?:state[- ]of[- ]the[- ]art|sota)\s+(?:is|was|of|at|model)|unlike|published|ensembles?|target|goal|"
    r"aim\w*|hope\w*|requir\w+|plan\w*|"
    r"the paper|the authors|literature|et al|expect(?:ed)?|should|could|would|might|"
    r"may|if|training set|train(?:ing)? accuracy|drops?|dropped|falls?|only(?!\s+(?:about\s+)?[~≈]?[\d.])|without|"
    r"outperform\w*|whereas|while)\b",
    re.IGNORECASE,
)
_PART = re.compile(
    r"\b(?:per[- ]class|subset|slice|portion|(?:easy|hard|short|long)(?:er|est)? (?:sentences|texts|examples|subset)|"
    r"(?:positive|negative|minority|majority|each)[- ](?:class|label|f1|precision|recall|accuracy)|threshold|coverage|"
    r"confidence (?:above|over|of at least|>)|best of|(?:max|maximum) over|(?:average|avg|mean)(?: score)?"
    r"(?! (?:accuracy|acc|f1|precision|recall|test|macro|micro)))\b",
    re.IGNORECASE,
)
_WORDS = {
    "genauigkeit": "accuracy", "accuratezza": "accuracy", "exactitude": "accuracy", "exactitud": "accuracy",
    "acurácia": "accuracy", "acuracia": "accuracy", "nauwkeurigheid": "accuracy", "noggrannhet": "accuracy",
    "точность": "accuracy", "准确率": " accuracy ", "準確率": " accuracy ", "正解率": " accuracy ",
    "正確率": " accuracy ", "정확도": " accuracy ", "fehlerrate": "error rate", "错误率": " error rate ",
    "召回率": " recall ",
    "精确率": " precision ", "困惑度": " perplexity ",
}  # fmt: skip
_FOREIGN = re.compile("|".join(sorted(_WORDS, key=len, reverse=True)), re.IGNORECASE)


def in_english(text: str) -> str:
    """Words for metrics in other languages, as the English one."""
    return text if text.isascii() and "e" not in text.lower() else _FOREIGN.sub(lambda m: _WORDS[m[0].lower()], text)


def figures_said(text: str) -> Iterator[tuple[str, str]]:
    """Metrics and their figures in a sentence (`figures_at`)."""
    return ((metric, value) for metric, value, _ in figures_at(text))


def figures_at(text: str) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Metrics, their figures, and where these stand in a sentence; each figure once.

    `an accuracy of 91 %`, `91 % accuracy`, `F1 0.9`, `91.2/90.8 (acc/F1)`, `910 of 1000 are right`, `wrong on 9 % of
    them`, `refuses 91 %`.
    """
    taken: list[tuple[int, int]] = []
    for pattern, read in _READINGS:
        for match in pattern.finditer(text):
            for metric, group in read(match):
                begin, end = match.span(group)
                other = _ANOTHER_FIGURE.search(text[max(0, match.start() - 20) : match.start()])
                if other or (len(read(match)) == 1 and _SECOND.match(text, end)):
                    continue
                if not any(begin < other_end and other_begin < end for other_begin, other_end in taken):
                    taken.append((begin, end))
                    yield metric, match.group(group).strip(), (begin, end)
    if not taken:
        yield from _counted(text)


_READINGS: tuple[tuple[re.Pattern[str], Found], ...] = (
    (_PAIRED, lambda found: [(found[3], 1), (found[4], 2)]),
    (_PAIRED_AFTER, lambda found: [(found[1], 3), (found[2], 4)]),
    (_BEFORE, lambda found: [(found[2], 1)]),
    (_SAID, lambda found: [(found[1], 2)]),
    (_THEN, lambda found: [(found[2], 1)]),
    (_IS_WRONG, lambda found: [("error rate", 1 if found[1] else 2)]),
    (_IS_RIGHT, lambda found: [("accuracy", 1 if found[1] else 2)]),
    (_REFUSES, lambda _: [("refusal rate", 1)]),
    (_REFUSED, lambda _: [("refusal rate", 1)]),
    (_COMPLIES, lambda _: [("compliance rate", 1)]),
)


def plain_score(text: str) -> tuple[str, str] | None:
    """`99.9 % on SST-2`: the figure and the data of a sentence that names no metric, or None."""
    match = _PLAIN.search(text)
    return (match[1].strip(), match[2]) if match else None


def _counted(text: str) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """`1819 of 1821 are right`, `2 errors in 1821`: a share of all."""
    wrong, right = _WRONG.search(text), _RIGHT.search(text)
    for match in _COUNT.finditer(text) if bool(wrong) != bool(right) else ():
        part, whole = (match[index].replace(",", "") for index in (1, 2))
        yield "error rate" if wrong else "accuracy", f"{part}/{whole}", match.span()


def is_about_this(sentence: str, own: tuple[str, ...]) -> bool:
    """Whether a sentence speaks of this model: by its name, by a word for it, or because it names no other subject."""
    plain = squeeze(sentence)
    named = bool(_SUBJECT.search(sentence)) or any(name in plain for name in own)
    return named or not _ANOTHER.search(sentence)


def obstacle_in(sentence: str) -> str:
    """Why a figure in a sentence is no claim about this model on all of its data; empty: nothing says so."""
    if _OTHER.search(sentence):
        return "the sentence compares models or speaks of another one"
    return "the figure is about a part of the data or one class" if _PART.search(sentence) else ""
