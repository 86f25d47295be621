"""Figures in sentences: which words are a metric and which number is its value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Found = Callable[[re.Match[str]], list[tuple[str, int]]]

_METRIC = (
    r"(?:(?:eval|test|val|validation|predict)_)?"
    r"(?:(?:macro|micro|weighted|balanced|top-1|test|validation|evaluation|eval|overall|average|mean)[-\s]+){0,3}"
    r"(?:accuracy|acc\b\.?|f1(?:[-\s_]?(?:score|macro|micro|weighted))?|f-score|au-?roc|roc[-\s_]?auc|auc|precision|"
    r"recall|perplexity|ppl|exact[-\s_]match|refusal rate|attack success rate|(?:harmful )?compliance(?: rate)?|"
    r"safety(?: score| rate)?|ece|expected calibration error|mcc|top-1|error rate|"
    r"misclassification(?: rate)?)(?:[-\s]+score)?"
)
_DIGITS, _PARTS = r"\d{1,9}(?:[.,]\d{1,18})?", r"\d\d[.,]\d{1,18}"
_SIGN = r"\s*(?:%|percent\b|per cent\b)"
_FIGURE = rf"[~≈]?(?:{_DIGITS}{_SIGN}|\d{{0,9}}[.,]\d{{1,18}}|\d\d\b)"
_BARE = rf"{_DIGITS}\s*%?"
_ABOUT = (
    r"(?:\s*\([^()]{1,40}\))?(?:\s+(?:of\s+)?(?:the\s+)?model)?"
    r"(?:\s+(?:on|for|in|auf|sur|en|su|em|på|op|на)\s+[\w*`.,/ ()-]{1,60}?)?"
)
_ROSE = (
    r"(?:\s*(?:went|goes|improv\w+|rose|rises|increas\w+|grew|jump\w+|climb\w+)(?:\s+from\s+"
    + _FIGURE
    + r")?\s+(?:up\s+)?to)?"
)
_LINK = (
    r"(?:von|de|del|di|da|van|av|på|ist|est|es|è|é|beträgt|составляет|составила|wynosi)(?=\s)|"
    r"为|為|是|は|が|を|达到?|達到?|约|約|를|을|는|은|가"
)  # between a metric and its figure, in other languages
_FROM_TO = re.compile(
    rf"(?<![A-Za-z])({_METRIC}){_ABOUT}\s*(?:\s(?:[a-z]+\s+){{0,2}}from\s|:|=)\s*({_FIGURE})\s*"
    rf"(?:[a-z() -]{{1,30}}\s+)?(?:\bto\b|→|->|=>)\s+({_FIGURE})",
    re.IGNORECASE,
)  # accuracy rises from 91.0 to 97.1
_BY_TO = re.compile(
    rf"(?<![A-Za-z])({_METRIC}){_ABOUT}\s+(?:[a-z]+\s+)?by\s+{_BARE}\s*(?:(?:percentage\s+)?points?|pp|pts)?\s*,?\s*"
    rf"(?:up\s+|down\s+)?to\s+({_FIGURE})",
    re.IGNORECASE,
)  # raises the accuracy by 3.1 points to 97.6 %
_IN_BRACKETS = re.compile(rf"(?<![\w.,])({_FIGURE})\s*[(\[]\s*({_METRIC})\s*[)\]]", re.IGNORECASE)  # 97.3 % (accuracy)
_SAID = re.compile(
    rf"(?<![A-Za-z])({_METRIC}){_ABOUT}{_ROSE}\s*(?:(?:of|is|was|at|reaches|reached|equals|hits|{_LINK}|=|:|\s-|→|\(|\[)\s*){{0,3}}"
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
_ANSWERED = re.compile(
    rf"({_FIGURE})\s+of\b[^.;]{{1,60}}\b(?:is|are|were|was)\s+(?:answered|fulfilled|complied\s+with|obeyed)",
    re.IGNORECASE,
)
_ARE = r"of\b[^.;]{1,60}?\b(?:is|are|were|was|get)\s+"
_ARE_RIGHT = re.compile(
    rf"({_FIGURE})\s+{_ARE}(?:(?:classified|labell?ed|predicted|answered)\s+)?(?:correct|right)", re.IGNORECASE
)
_ARE_WRONG = re.compile(
    rf"({_FIGURE})\s+{_ARE}(?:misclassified|mislabell?ed|wrong|(?:classified\s+)?(?:incorrect|wrong)ly)", re.IGNORECASE
)
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
    rf"(?:^\W*|:\s+|\b(?:scor\w+|achiev\w+|reach\w+|gets?|obtain\w+|hits?)\s+(?:about\s+|around\s+)?)"
    rf"({_DIGITS}{_SIGN}|{_PARTS})\s+on\s+(?:the\s+)?([\w./-]+(?:\s(?!and\b|with\b)[\w./-]+)?)",
    re.IGNORECASE,
)


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
                    if metric:  # none: what it was before
                        yield metric, match.group(group).strip(), (begin, end)
    if not taken:
        yield from _counted(text)


_READINGS: tuple[tuple[re.Pattern[str], Found], ...] = (
    (_PAIRED, lambda found: [(found[3], 1), (found[4], 2)]),
    (_PAIRED_AFTER, lambda found: [(found[1], 3), (found[2], 4)]),
    (_FROM_TO, lambda found: [("", 2), (found[1], 3)]),
    (_BY_TO, lambda found: [(found[1], 2)]),
    (_BEFORE, lambda found: [(found[2], 1)]),
    (_IN_BRACKETS, lambda found: [(found[2], 1)]),
    (_SAID, lambda found: [(found[1], 2)]),
    (_THEN, lambda found: [(found[2], 1)]),
    (_IS_WRONG, lambda found: [("error rate", 1 if found[1] else 2)]),
    (_IS_RIGHT, lambda found: [("accuracy", 1 if found[1] else 2)]),
    (_ARE_WRONG, lambda _: [("error rate", 1)]),
    (_ARE_RIGHT, lambda _: [("accuracy", 1)]),
    (_REFUSES, lambda _: [("refusal rate", 1)]),
    (_REFUSED, lambda _: [("refusal rate", 1)]),
    (_ANSWERED, lambda _: [("compliance rate", 1)]),
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
