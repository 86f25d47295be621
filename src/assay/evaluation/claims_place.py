"""Where a line of a card stands: what the lines around it say that its figures are about."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from assay.evaluation.names import metric_within, squeeze
from assay.evaluation.values import bare_text

_ON = re.compile(
    r"\b(?:on|for|using|in)\s+(?:(?:the|our|a)\s+)?[*_`\"'\[(]*([A-Za-z0-9][\w./-]*(?:[ -][A-Za-z0-9][\w./-]*){0,4})",
    re.IGNORECASE,
)
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
        return any(word in name for word in _OURS) or (len(name) >= _SHORT and name in {*self.own, *tails})


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
    """What stands behind "on" and "for", from the longest reading to the shortest."""
    found = []
    for match in _ON.finditer(text):
        words = match.group(1).split(" ")
        found += [" ".join(words[:count]).rstrip(".,;:") for count in range(len(words), 0, -1)]
    return found


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
