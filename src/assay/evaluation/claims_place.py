"""Where a line of a card stands: what the lines around it say that its figures are about."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from assay.evaluation.claims_about import is_known_model
from assay.evaluation.names import dataset_key, metric_within, split_name, squeeze
from assay.evaluation.values import bare_text

_ON = re.compile(
    r"\b(?:on|for|using|in|auf|sur|en|su|em|op|på|на)\s+(?:(?:the|our|a|dem|der|den|le|la|les|el|il|lo|o|het|de)\s+)?"
    r"[*_`\"'\[(]*([A-Za-z0-9][\w./-]*(?:[ -](?!(?:on|for|auf|sur)\b)[A-Za-z0-9][\w./-]*){0,4})",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\(([^()]{2,60})\)")
_NAME = re.compile(r"(?<![\w.])[A-Za-z][\w]{0,40}(?:[-/]\w{1,40}){0,4}")
_MAX_NAMES = 12
_PLACES = re.compile(_ON.pattern + r"(?:\s*\(([^()]{2,60})\))?|\(([^()]{2,60})\)", re.IGNORECASE)
_BEHIND = re.compile(
    r"\s*(?:%|percent)?\s*(?:[A-Za-z][\w-]*\s+){0,3}?((?:on|for|in|auf|sur|en|su|em|på|op|на)\s|\()", re.IGNORECASE
)
_NO_NAME = re.compile(
    r"=|±|^\s*(?:not|without|except|excluding|threshold|n\s|vs|versus|compared|up from|from|baseline|previously)|"
    r"\b(?:CI|std|seeds?|runs?)\b|^[\d%\s]",
    re.IGNORECASE,
)  # in brackets, but no name of data
_SENTENCES_OF = re.compile(
    r"\b(?:(?:the|its|all|some|about)\s+){0,2}\d[\d.,]*\s?[kKmM]?\s+(?:\w+\s+)?(?:sentences|examples|samples|texts|reviews|"
    r"documents|items|prompts|questions)\s+(?:of|from|in)\s+(?:the\s+)?",
    re.IGNORECASE,
)  # on 1,821 sentences of SST-2
_SPLIT = re.compile(
    r"\b(test|validation|dev|development|train)(?:ing)?[- ](?:set|split|data|portion|part)\b|"
    r"\((train|test|dev|val|validation)(?:ing)?\)",
    re.IGNORECASE,
)
_REACH = 120  # characters behind a figure in which its data may be named
_OURS = ("ours", "thismodel", "thiswork", "thischeckpoint", "proposed", "ourmodel")
_SHORT = 3  # letters of a name that says something
_MAX_ABOVE = 8
_HEAD = 60  # characters of a line that stands as a heading (`SST-2 results:`)
_SENTENCE = 160  # characters of a line whose metric may be meant for the table below


@dataclass
class Place:
    """Where a line stands.

    Attributes:
        source: file.
        own: squeezed names of this model.
        above: what the data may be called, the nearest first.
        metric: the metric that the heading or sentence above speaks of, in its words; empty: none.
    """

    source: str
    own: tuple[str, ...]
    above: list[str] = field(default_factory=list)
    metric: str = ""

    def heading(self, text: str) -> None:
        """What follows is about this, and nothing before it."""
        plain = clean(text)
        self.above = [plain, *named_in(text)]
        self.metric = plain if metric_within(plain)[0] else ""

    def sentence(self, text: str) -> None:
        """What follows may be about this, too."""
        self.above = list(dict.fromkeys([*named_in(text), *self.above]))[:_MAX_ABOVE]
        plain = clean(text)
        if plain.endswith(":") and len(plain) <= _HEAD:
            self.above = [plain.removesuffix(":"), *self.above]
        if len(plain) <= _SENTENCE and (metric := first_metric(plain)):
            self.metric = metric

    def is_ours(self, model: str) -> bool:
        """Whether a row or column goes by the name of this model."""
        name = squeeze(model)
        tails = {own.rpartition("/")[2] for own in self.own}
        return (
            any(word in name for word in _OURS)
            or model.rstrip(" *_)").lower().endswith("(this")
            or (len(name) >= _SHORT and name in {*self.own, *tails})
        )


def own_names(*names: str) -> tuple[str, ...]:
    """Squeezed, without and with the owner before a slash; names of a letter or two say nothing."""
    forms = [form for name in names for form in (name, name.rpartition("/")[2], name.partition("(")[0])]
    return tuple(dict.fromkeys(form for form in map(squeeze, forms) if len(form) >= _SHORT))


def first_metric(text: str) -> str:
    """The words of the first metric in a sentence, or an empty string."""
    for size in (3, 2, 1):
        words = re.findall(r"[\w-]+", text)
        for start in range(len(words) - size + 1):
            phrase = " ".join(words[start : start + size])
            found, around = metric_within(phrase)
            if found and not around and not phrase.lower().startswith("safe"):
                return phrase
    return ""


def named_in(text: str) -> list[str]:
    """What stands behind "on" and "for", from the longest reading to the shortest, and what stands in brackets."""
    found = []
    for match in _ON.finditer(text):
        words = match.group(1).split(" ")
        found += [" ".join(words[:count]).rstrip(".,;:") for count in range(len(words), 0, -1)]
    inside = [part.strip() for match in _BRACKETS.finditer(text) for part in re.split("[,;]", match[1])]
    return found + [part for part in inside if re.search("[A-Za-z]", part)]


def data_near(text: str, begin: int, end: int) -> tuple[str, list[str]]:
    """What a figure in a sentence is about.

    That is the nearest name behind it (`0.95 on IMDB`, `0.95 (IMDB)`), else the last one before it, else the first one
    after it; other names in the sentence belong to other figures.

    Args:
        text: the sentence.
        begin: where the figure begins.
        end: where it ends.

    Returns:
        The name, empty where none looks like one, and everything that it may be called.
    """
    behind = _BEHIND.match(text, end)
    if behind and (name := _proper(found := _phrases(text[behind.start(1) : behind.start(1) + _REACH])[:1])):
        return name, found[0]
    before, after = _phrases(text[:begin]), _phrases(text[end:])
    # a WikiText-2 perplexity of 15.2
    direct = [[word] for word in named_there(text[:begin])[-1:] if not (is_known_model(word) or metric_within(word)[0])]
    for phrase in (*reversed(before), *direct, *after):
        if name := _proper([phrase]):
            return name, phrase
    return "", [*(reading for phrase in (*reversed(before), *after) for reading in phrase), *named_there(text)]


def split_in(readings: list[str]) -> str:
    """The split that one of them names, or nothing."""
    return next((split for reading in readings if (split := dataset_key(reading)[1])), "")


def split_said(sentence: str) -> str:
    """The one split that a sentence speaks of (`the test set`, `dev set`), or nothing."""
    found = {split_name((match[1] or match[2]).lower()) for match in _SPLIT.finditer(sentence)}
    return found.pop() if len(found) == 1 else ""


def _phrases(text: str) -> list[list[str]]:
    """Readings of what stands behind each "on" and in each pair of brackets, in the order of the text."""
    found = []
    text = _SENTENCES_OF.sub("", text)
    for match in _PLACES.finditer(text):
        words = (match[1] or "").split(" ")
        readings = [" ".join(words[:count]).rstrip(".,;:") for count in range(len(words), 0, -1)] if match[1] else []
        inside = [part.strip() for part in re.split("[,;]", match[2] or match[3] or "") if not _NO_NAME.search(part)]
        readings += [part for part in inside if re.search("[A-Za-z]", part) and not metric_within(part)[0]]
        if readings:
            found.append(readings)
    return found


def _proper(phrases: list[list[str]]) -> str:
    """The shortest reading that has a name in it."""
    readings = phrases[0] if phrases else []
    return next((one for one in sorted(readings, key=len) if any(_is_name(word) for word in one.split())), "")


def _is_name(word: str) -> bool:
    return bool(re.match("[A-Z]", word) or re.search(r"[a-z][A-Z]|[A-Z]{2}|[a-zA-Z-]\d", word))


def named_there(text: str) -> list[str]:
    """Words that look like names (`SST-2`, `AdvBench`), wherever they stand in a sentence."""
    return [word for word in _NAME.findall(text) if re.search(r"[a-z][A-Z]|[A-Z]{2}|\d", word)][:_MAX_NAMES]


def plain_dashes(text: str) -> str:
    """Dashes and spaces of typesetting as the plain ones."""
    return re.sub(r"[\u2010-\u2015\u2212]", "-", text).replace("\u00a0", " ")


def clean(cell: str) -> str:
    """Without links, tags and emphasis."""
    text = re.sub(r"!?\[([^\[\]]{0,300})\]\([^()]{0,500}\)", r"\1", cell)
    return bare_text(text).strip("*_` ")


def bare(title: str) -> str:
    """Without a percent sign."""
    return re.sub(r"\s*[(\[]?%[)\]]?\s*", " ", title).strip()


def with_unit(title: str, value: str) -> str:
    """A figure under a header with a percent sign has it."""
    return f"{value}%" if "%" in title and "%" not in value else value
