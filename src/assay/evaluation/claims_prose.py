"""Figures in sentences: which words are a metric, which number is its value, and whom a sentence is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.evaluation.names import squeeze

if TYPE_CHECKING:
    from collections.abc import Iterator

_METRIC = (
    r"(?:(?:macro|micro|weighted|balanced|top-1|test|validation|evaluation|eval|overall|average|mean)[-\s]+){0,3}"
    r"(?:accuracy|acc\b\.?|f1(?:[-\s]?score)?|f-score|au-?roc|roc[-\s]?auc|auc|precision|recall|perplexity|"
    r"exact[-\s]match|refusal rate|attack success rate|compliance rate|safety(?: score| rate)?|ece|mcc)(?:[-\s]+score)?"
)
_FIGURE = r"[~≈]?(?:\d+(?:[.,]\d+)?\s*(?:%|percent\b)|\d*[.,]\d+|\d\d\b)"
_ABOUT = r"(?:\s*\([^()]{1,40}\))?(?:\s+(?:on|for)\s+[\w*`.,/ -]{1,60}?)?"
_SAID = re.compile(
    rf"\b({_METRIC}){_ABOUT}\s*(?:(?:of|is|was|at|reaches|reached|=|:)\s*){{0,2}}"
    rf"(?:about|around|approximately|over|up to)?\s*({_FIGURE})",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    rf"(?<![\w.,])(\d+(?:[.,]\d+)?\s*(?:%|percent)|0[.,]\d+|\d\d[.,]\d+)\s*(?:\([^()]{{1,30}}\)\s*)?({_METRIC})",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"^\W*(?:achiev|reach|obtain|scor|accuracy|f1)|\b(?:this|the|our|my)\s+(?:[\w-]+\s+){0,2}"
    r"(?:model|checkpoint|classifier|version|network|adapter|detector)\b|\b(?:it|we)\b|\bresults?\b",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\b(?:than|versus|vs|compared|baselines?|teacher|original|base|parent|previous(?:ly)?|human|humans|random|majority|"
    r"state[- ]of[- ]the[- ]art|sota|target|goal|expect(?:ed)?|should|could|would|might|may|if|training set|"
    r"train(?:ing)? accuracy|drops?|dropped|falls?|only|without|outperform\w*|whereas|while)\b",
    re.IGNORECASE,
)


def figures_said(text: str) -> Iterator[tuple[str, str]]:
    """Metrics and their figures in a sentence, each figure once: `an accuracy of 91 %`, `91 % accuracy`, `F1 0.9`."""
    taken: list[tuple[int, int]] = []
    for pattern, metric, value in ((_BEFORE, 2, 1), (_SAID, 1, 2)):
        for match in pattern.finditer(text):
            begin, end = match.span(value)
            if not any(begin < other_end and other_begin < end for other_begin, other_end in taken):
                taken.append((begin, end))
                yield match.group(metric), match.group(value).strip()


def is_about_this(sentence: str, own: tuple[str, ...]) -> bool:
    """Whether the subject of a sentence is this model, by its name or by a word for it."""
    plain = squeeze(sentence)
    return bool(_SUBJECT.search(sentence)) or any(name in plain for name in own)


def compares(sentence: str) -> bool:
    """Whether a sentence speaks of another model, or of what would be."""
    return bool(_OTHER.search(sentence))
