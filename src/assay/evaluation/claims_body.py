"""Claims in the text of a model card: tables, lists, lines like `Accuracy: 0.91`, and sentences.

A sentence is a claim only where it speaks of this model ("the model achieves an accuracy of 91 % on SST-2"), or of no
other, and compares with nothing. Blocks of code are no claims; what was printed in a block is (`claims_fence`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from assay.evaluation.claims import Claim, bare_figure, make_claim
from assay.evaluation.claims_about import is_about_this, obstacle_in, stance
from assay.evaluation.claims_fence import entries_in, from_fence, from_report, is_report
from assay.evaluation.claims_layout import table_at
from assay.evaluation.claims_place import (
    Place,
    bare,
    clean,
    data_near,
    named_in,
    named_there,
    own_names,
    plain_dashes,
    split_in,
    split_said,
    with_unit,
)
from assay.evaluation.claims_prose import figures_at, figures_said, plain_score
from assay.evaluation.claims_tables import from_table, is_log
from assay.evaluation.claims_words import in_english
from assay.evaluation.names import metric_within
from assay.evaluation.values import figure_in

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 4000  # characters of a line that are read
MAX_TABLE = 5000  # lines of a table
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+(.+?)\s*$")
_PAIR = re.compile(r"^(.{1,100}?)\s*(?:[:=]|\s[-\u2013\u2014]\s)\s*(.+)$")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.+?)\s*#*\s*$")
_BADGE = re.compile(r"!\[[^\[\]]{0,200}\]\(https?://img\.shields\.io/badge/([^()\s]{1,300})\)")
_ALL_OF = re.compile(
    r"^\W*(?:all|both|these|the(?:se)?\s+(?:results?|numbers?|figures?|scores?|metrics?)|reported|results?|numbers?|"
    r"figures?|scores?|metrics?|evaluat\w+|measured|tested|computed)\b",
    re.IGNORECASE,
)  # a sentence that tells what the figures before it are about
_TELLS = re.compile(r"\b(?:evaluat\w+|tested|measured|results?|benchmark\w*|test set)\b", re.IGNORECASE)
_TRAINS = re.compile(r"\btrain|fine-?tun", re.IGNORECASE)
_STRUCK = re.compile(r"~~[^~]{1,200}~~")
_HEAD = 60  # characters of what stands before the figures of a line
_LABEL = 40  # characters of a line that is no more than a name: `Dataset: SST-2`
_MOST = 100  # a score without a metric is a share or a percentage
_LOG = "a line of a training log; other results stand in the card"
_NOTE = "no metric is named: it is held against the first one of the suite"


def from_body(body: str, source: str, first_line: int, own: tuple[str, ...], data: tuple[str, ...] = ()) -> list[Claim]:
    """Claims of the text below the front matter.

    Args:
        body: Markdown.
        source: its file.
        first_line: number of its first line.
        own: names of this model, as written.
        data: names of what a figure may be about where nothing nearer names any.
    """
    shown = without_comments(body).splitlines()
    lines = [in_english(re.sub(r"^\s*(?:>\s?)+", "", _STRUCK.sub(" ", line[:MAX_LINE]))) for line in shown]
    title = next((match.group(1) for line in lines if (match := _HEADING.match(line))), "")
    reader = _Body(lines, first_line, Place(source, own_names(*own, clean(title))))
    reader.read()
    claims = reader.all_claims()
    return [claim if claim.dataset else replace(claim, places=(*claim.places, *data)) for claim in claims]


class _Body:
    """One pass over the lines."""

    def __init__(self, lines: list[str], first_line: int, place: Place) -> None:
        self.lines = lines
        self.first_line = first_line
        self.place = place
        self.claims: list[Claim] = []
        self.logged: list[Claim] = []
        self.paragraph: list[tuple[int, str]] = []
        self.section = 0, 0  # how many claims and logged ones stood before this heading
        self.told: list[str] = []  # what sentences of this section say that its figures are about

    def all_claims(self) -> list[Claim]:
        """In the order of the lines; a training log counts as far as the card states no other result."""
        stated = {claim.metric: claim.value for claim in reversed(self.claims)}
        for claim in self.logged:
            other = claim.metric in stated and stated[claim.metric] != claim.value
            self.claims.append(replace(claim, obstacle=_LOG) if other else claim)
        return sorted(self.claims, key=lambda claim: claim.line or 0)

    def read(self) -> None:
        index, fence = 0, ""
        while index < len(self.lines):
            line = self.lines[index]
            mark = line.lstrip()[:3]
            if mark in {"```", "~~~"} and (not fence or mark == fence):
                self.flush()
                fence = "" if fence else mark
                if fence:
                    self.fence(index + 1, mark, line.strip().strip("`~"))
            elif is_report(line):
                self.flush()
                claims, size = from_report(self.lines[index : index + MAX_TABLE], self.first_line + index, self.place)
                self.claims += claims
                index += size
                continue
            elif end := self.table(index, fenced=bool(fence)):
                index = end
                continue
            elif not fence:
                self.line(line, self.first_line + index)
            index += 1
        self.flush()
        self.section_ends()

    def fence(self, start: int, mark: str, language: str) -> None:
        """What was printed in a block counts as a log: as far as the card states no other result."""
        rest = self.lines[start : start + MAX_TABLE]
        size = next((n for n, one in enumerate(rest) if one.lstrip().startswith(mark)), len(rest))
        self.logged += from_fence(rest[:size], self.first_line + start, language, self.place)

    def section_ends(self) -> None:
        """A figure that names no data may be about what a sentence of its section names."""
        if self.told:
            for claims, start in zip((self.claims, self.logged), self.section, strict=True):
                claims[start:] = [_placed(claim, (*claim.places, *self.told)) for claim in claims[start:]]
        self.section, self.told = (len(self.claims), len(self.logged)), []

    def table(self, start: int, *, fenced: bool) -> int:
        """Read a table that begins here; the line behind it, 0 when there is none."""
        rows, size = table_at(self.lines[start : start + MAX_TABLE], self.first_line + start, fenced=fenced)
        if len(rows) < 2:  # noqa: PLR2004 - a header and something below it
            return start + size if fenced and size else 0
        self.flush()
        claims = from_table(rows[0][1], rows[1:], self.place)
        (self.logged if is_log(rows[0][1]) else self.claims).extend(claims)
        return start + size

    def line(self, line: str, number: int) -> None:
        """A heading or a sentence tells what follows is about; a list item or a labelled line may be a figure."""
        if heading := _HEADING.match(line):
            self.flush()
            self.section_ends()
            self.place.heading(heading.group(1))
            return
        if not line.strip():
            self.flush()
            return
        if "<li" in line.lower():
            for part in re.split(r"<li\b[^<>]{0,200}>", line, flags=re.IGNORECASE)[1:]:
                self.text(f"- {clean_line(part)}", number)
            return
        for badge in _BADGE.findall(line):
            self.claims += self.labelled(_badge(badge), number, listed=True)
        self.text(self.defined(line), number)

    def defined(self, line: str) -> str:
        """`: accuracy 0.91` below a term, as an item of a list below it."""
        if not line.startswith(": ") or not self.paragraph:
            return line
        head = clean(self.paragraph[-1][1])
        self.flush()
        self.place.above = [head, *self.place.above][:8]
        return f"- {line[2:]}"

    def text(self, line: str, number: int) -> None:
        bullet = _BULLET.match(line)
        text = bullet.group(1) if bullet else line.strip()
        if bullet:
            self.flush()
        found = list(self.labelled(text, number, listed=bool(bullet)))
        if found and self.paragraph:
            self.flush()
            found = list(self.labelled(text, number, listed=bool(bullet)))
        if found:
            self.claims += found
        elif bullet:
            self.prose([(number, text)])
            if len(text) <= _HEAD and not text.endswith("."):  # the head of a list below it
                self.place.above = list(dict.fromkeys([clean(text), *named_in(text), *self.place.above]))[:8]
        else:
            self.paragraph.append((number, line))

    def labelled(self, text: str, number: int, *, listed: bool) -> Iterator[Claim]:
        """`Accuracy: 0.91`, `SST-2 accuracy = 91 %`, `SST-2: 91 % accuracy`, `SST-2: 0.91`."""
        pair = _PAIR.match(clean_line(text).replace("__", ""))
        if not pair:
            return
        label, said = clean(pair.group(1)), clean(pair.group(2).replace("**", ""))
        about: dict[str, Any] = {"source": self.place.source, "line": number}
        if metric_within(bare(label))[0]:
            yield from self.named(label, said, about)
        elif listed:
            yield from self.item(label, said, about)
        elif pair.group(2).lstrip().startswith("{"):
            for metric, value in entries_in(pair.group(2)):
                claim = make_claim(metric, value, doubtful=True, **about)
                yield _placed(claim, (*named_in(label), *named_there(label), *self.place.above))
        elif several := [*figures_at(said)]:
            whole, shift = f"{label}: {said}", len(label) + 2
            sure = "result" in label.lower()
            for metric, value, (begin, end) in several if sure or len(label) <= _HEAD else ():
                if stance(whole, shift + begin, shift + end, self.place.own) == "":
                    data, near = data_near(whole, shift + begin, shift + end)
                    claim = make_claim(metric, value, doubtful=not sure, dataset=data, split=split_in(near), **about)
                    yield _placed(claim, (*near, *(() if data else (label, *self.place.above))), data)

    def named(self, label: str, said: str, about: dict[str, Any]) -> Iterator[Claim]:
        """A label that is a metric: `Accuracy: 0.91 on SST-2`, `Accuracy: 0.95 (IMDB), 0.91 (SST-2)`."""
        parts = re.split(r"[,;]\s+|\s+and\s+", said)
        if len(parts) > 1 and all(figure_in(part.partition(" on ")[0]) for part in parts):
            for part in parts:
                data, near = data_near(part, 0, len(part.split(" ")[0]))
                if near:
                    yield _placed(make_claim(bare(label), part.split(" ")[0], dataset=data, **about), tuple(near), data)
            return
        names, values = _each_of(label, said)
        for name, value in zip(names, values, strict=True):
            yield make_claim(bare(name), with_unit(label, value), **about)
        figure, _, data = said.partition(" on ")
        if not names and figure_in(figure) is not None:
            inner = re.search(r"\(([^()]*[A-Za-z][^()]*)\)\s*$", said)
            beside = tuple(one for one in (data, inner.group(1) if inner else "") if one)
            places = (*beside, *named_in(label), *self.place.above)
            yield _placed(make_claim(bare(label), with_unit(label, figure), **about), places)

    def item(self, label: str, said: str, about: dict[str, Any]) -> Iterator[Claim]:
        """An item of a list that begins with the name of data: `SST-2: 91 % accuracy`, `SST-2: 0.91`."""
        if len(label) > _HEAD:
            return
        several = [*figures_said(said)]
        for metric, value in several:
            yield make_claim(metric, value, dataset=label, **about)
        found = figure_in(said)
        score = found is not None and 0 <= found.number <= _MOST and not any(w in label.lower() for w in _NO_DATA)
        if not several and score:
            if self.place.metric:
                yield make_claim(self.place.metric, said, dataset=label, doubtful=True, **about)
            else:
                yield bare_figure(label, said, note=_NOTE, doubtful=True, **about)

    def flush(self) -> None:
        """The paragraph is over: look for claims in it, and keep what it says for what follows."""
        if self.paragraph:
            self.prose(self.paragraph)
            for _, line in self.paragraph:
                self.place.sentence(line)
                if (_ALL_OF.match(line) or len(line) <= _LABEL) and not _TRAINS.search(line):
                    self.told += [*named_in(line), *named_there(line)]
            self.paragraph = []

    def prose(self, paragraph: list[tuple[int, str]]) -> None:
        text = " ".join(clean_line(line) for _, line in paragraph)[:MAX_LINE]
        said: list[str] = []  # what data the sentences before name
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'(])|;\s|(?<=。)", text):
            self.sentence(sentence, paragraph, said)
            if _TELLS.search(sentence) and not _TRAINS.search(sentence) and not obstacle_in(sentence):
                said[:] = [*named_in(sentence), *named_there(sentence)]

    def sentence(self, sentence: str, paragraph: list[tuple[int, str]], said: list[str]) -> None:
        found = [*figures_at(sentence)]
        above = [*said, *self.place.above]
        if not found and is_about_this(sentence, self.place.own) and (plain := plain_score(sentence)):
            about = {"source": self.place.source, "line": paragraph[0][0], "doubtful": True}
            begin = sentence.find(plain[0])
            if stance(sentence, begin, begin + len(plain[0]), self.place.own) == "":
                places = (*named_in(sentence), *above)
                self.claims.append(bare_figure(plain[1], plain[0], note=_NOTE, places=places, **about))
        for metric, value, (begin, end) in found:
            obstacle = stance(sentence, begin, end, self.place.own)
            if obstacle is None:
                continue
            number = next((n for n, line in paragraph if value.split()[0] in clean_line(line)), paragraph[0][0])
            data, near = data_near(sentence, begin, end)
            told: dict[str, Any] = {"source": self.place.source, "line": number, "obstacle": obstacle}
            split = split_in(near) or split_said(sentence)
            claim = make_claim(metric, value, dataset=data, split=split, doubtful=True, **told)
            self.claims.append(_placed(claim, (*near, *(() if data else above)), data))


_NO_DATA = (
    "parameter", "size", "layer", "epoch", "batch", "learning", "seed", "length", "version", "training", "step",
    "warmup", "decay", "examples", "samples", "hours", "token", "license", "licence", "loss", "optimizer",
)  # fmt: skip


def _placed(claim: Claim, places: tuple[str, ...], data: str = "") -> Claim:
    """With what else its data may be called; a data set that the metric's own words name stands alone."""
    if claim.dataset and not data:
        return claim
    return replace(claim, places=tuple(dict.fromkeys(place for place in places if place)))


def _each_of(label: str, said: str) -> tuple[list[str], list[str]]:
    """`IMDB/SST-2 accuracy: 0.95/0.88` and `Accuracy (train / test): 0.99 / 0.88`, one by one; nothing for others."""
    values = [value.strip() for value in said.split("/")]
    several = next((word for word in re.findall(r"\(([^()]*)\)|(\S+/\S+)", label) if "/" in "".join(word)), ("", ""))
    parts = [part.strip() for part in "".join(several).split("/")]
    if len(parts) < 2 or len(parts) != len(values) or any(figure_in(value) is None for value in values):  # noqa: PLR2004
        return [], []
    whole = f"({several[0]})" if several[0] else several[1]
    return [label.replace(whole, part) for part in parts], values


def without_comments(body: str) -> str:
    """Markdown without its comments, with as many lines."""
    parts = body.split("<!--")
    for index, part in enumerate(parts[1:], 1):
        comment, end, rest = part.partition("-->")
        parts[index] = "\n" * comment.count("\n") + rest if end else f"<!--{part}"
    return "".join(parts)


def clean_line(line: str) -> str:
    """A line of prose without links, tags and emphasis."""
    text = re.sub(r"!?\[([^\[\]]{0,300})\]\([^()]{0,500}\)", r"\1", line)
    text = re.sub(r"</?[a-zA-Z][^<>]{0,200}>", " ", text)
    return plain_dashes(text).replace("**", "").replace("`", "").strip()


def _badge(path: str) -> str:
    """`SST--2%20accuracy-91%25-green` of a badge, as `SST-2 accuracy: 91%`."""
    parts = [part.replace("\0", "-").replace("_", " ") for part in path.replace("--", "\0").split("-")]
    return unquote(": ".join(parts[:2]))
