"""Claims in the text of a model card: tables, lists, lines like `Accuracy: 0.91`, and sentences.

A sentence is a claim only where it speaks of this model ("the model achieves an accuracy of 91 % on SST-2") and
compares with nothing. Code blocks are no claims, but for the tables that lm-evaluation-harness prints.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.evaluation.claims import Claim, bare_figure, make_claim
from assay.evaluation.claims_place import Place, bare, clean, named_in, own_names, with_unit
from assay.evaluation.claims_prose import compares, figures_said, is_about_this
from assay.evaluation.claims_tables import Row, cells_of, from_table, html_rows, is_log
from assay.evaluation.names import metric_within, squeeze
from assay.evaluation.values import figure_in

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 4000  # characters of a line that are read
MAX_TABLE = 5000  # lines of a table
_RULE = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(?:\|\s*:?-{1,}:?\s*)*\|?\s*$")
_GRID = re.compile(r"^\s*\+[-=:+]+\+\s*$")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+(.+?)\s*$")
_PAIR = re.compile(r"^(.{1,100}?)\s*(?:[:=]|\s[-\u2013\u2014]\s)\s*(.+)$")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.+?)\s*#*\s*$")
_MOST = 100  # a score without a metric is a share or a percentage
_LOG = "a line of a training log; other results stand in the card"
_NOTE = "no metric is named: it is held against the first one of the suite"
_COMPARES = "the sentence compares models or speaks of another one"


def from_body(body: str, source: str, first_line: int, own: tuple[str, ...]) -> list[Claim]:
    """Claims of the text below the front matter.

    Args:
        body: Markdown.
        source: its file.
        first_line: number of its first line.
        own: names of this model, as written.
    """
    lines = [re.sub(r"^\s*(?:>\s?)+", "", line[:MAX_LINE]) for line in body.splitlines()]
    title = next((match.group(1) for line in lines if (match := _HEADING.match(line))), "")
    reader = _Body(lines, first_line, Place(source, own_names(*own, clean(title))))
    reader.read()
    return reader.all_claims()


class _Body:
    """One pass over the lines."""

    def __init__(self, lines: list[str], first_line: int, place: Place) -> None:
        self.lines = lines
        self.first_line = first_line
        self.place = place
        self.claims: list[Claim] = []
        self.logged: list[Claim] = []
        self.paragraph: list[tuple[int, str]] = []

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
            elif end := self.table(index, fenced=bool(fence)):
                index = end
                continue
            elif not fence:
                self.line(line, self.first_line + index)
            index += 1
        self.flush()

    def table(self, start: int, *, fenced: bool) -> int:
        """Read a table that begins here; the line behind it, 0 when there is none."""
        line, rest = self.lines[start], self.lines[start + 1 : start + MAX_TABLE]
        rows: list[Row] = []
        if not fenced and "<table" in line.lower():
            size = next((n for n, one in enumerate([line, *rest], 1) if "</table" in one.lower()), len(rest) + 1)
            rows = html_rows("\n".join(self.lines[start : start + size]), self.first_line + start)
        elif not fenced and _GRID.match(line):
            size = next((n for n, one in enumerate(rest, 1) if not one.lstrip().startswith(("|", "+"))), len(rest) + 1)
            whole = range(start, start + size)
            rows = [(self.first_line + i, cells_of(self.lines[i])) for i in whole if not _GRID.match(self.lines[i])]
        elif "|" in line and rest and "|" in rest[0] + line and _RULE.match(rest[0]):
            size = 1 + next((n for n, one in enumerate(rest) if "|" not in one), len(rest))
            at = [start, *range(start + 2, start + size)]
            rows = [(self.first_line + i, cells_of(self.lines[i])) for i in at]
            if fenced and not {"metric", "stderr"} <= {squeeze(cell) for cell in rows[0][1]}:
                return start + size
        if len(rows) < 2:  # noqa: PLR2004 - a header and something below it
            return 0
        self.flush()
        claims = from_table(rows[0][1], rows[1:], self.place)
        (self.logged if is_log(rows[0][1]) else self.claims).extend(claims)
        return start + size

    def line(self, line: str, number: int) -> None:
        """A heading or a sentence tells what follows is about; a list item or a labelled line may be a figure."""
        if heading := _HEADING.match(line):
            self.flush()
            self.place.heading(heading.group(1))
            return
        if not line.strip():
            self.flush()
            return
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
            if len(text) <= 60 and not text.endswith("."):  # noqa: PLR2004 - the head of a list below it
                self.place.above = list(dict.fromkeys([clean(text), *named_in(text), *self.place.above]))[:8]
        else:
            self.paragraph.append((number, line))

    def labelled(self, text: str, number: int, *, listed: bool) -> Iterator[Claim]:
        """`Accuracy: 0.91`, `SST-2 accuracy = 91 %`, `SST-2: 91 % accuracy`, `SST-2: 0.91`."""
        pair = _PAIR.match(text.replace("**", "").replace("__", ""))
        if not pair:
            return
        label, said = clean(pair.group(1)), clean(pair.group(2).replace("**", ""))
        about: dict[str, Any] = {"source": self.place.source, "line": number}
        figure, _, data = said.partition(" on ")
        inner = re.search(r"\(([^()]*[A-Za-z][^()]*)\)\s*$", said)
        beside = tuple(one for one in (data, inner.group(1) if inner else "") if one)
        if metric_within(bare(label))[0]:
            if figure_in(figure) is not None:
                places = (*beside, *named_in(label), *self.place.above)
                yield _placed(make_claim(bare(label), with_unit(label, figure), **about), places)
            return
        several = [*figures_said(said)]
        if not listed and several and "result" in label.lower() and not compares(label):
            for metric, value in several:
                yield _placed(make_claim(metric, value, **about), (*named_in(label), *self.place.above))
        elif listed and len(label) <= 60:  # noqa: PLR2004
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
            self.paragraph = []

    def prose(self, paragraph: list[tuple[int, str]]) -> None:
        text = " ".join(clean_line(line) for _, line in paragraph)[:MAX_LINE]
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'(])", text):
            if not is_about_this(sentence, self.place.own):
                continue
            places = (*named_in(sentence), *self.place.above)
            obstacle = _COMPARES if compares(sentence) else ""
            for metric, value in figures_said(sentence):
                number = next((n for n, line in paragraph if value.split()[0] in clean_line(line)), paragraph[0][0])
                claim = make_claim(
                    metric, value, source=self.place.source, line=number, obstacle=obstacle, doubtful=True
                )
                self.claims.append(_placed(claim, places))


_NO_DATA = (
    "parameter", "size", "layer", "epoch", "batch", "learning", "seed", "length", "version", "training", "step",
    "warmup", "decay", "examples", "samples", "hours", "token", "license", "licence", "loss", "optimizer",
)  # fmt: skip


def _placed(claim: Claim, places: tuple[str, ...]) -> Claim:
    return claim if claim.dataset else replace(claim, places=tuple(dict.fromkeys(place for place in places if place)))


def clean_line(line: str) -> str:
    """A line of prose without links and emphasis."""
    return re.sub(r"!?\[([^\[\]]{0,300})\]\([^()]{0,500}\)", r"\1", line).replace("**", "").replace("`", "").strip()
