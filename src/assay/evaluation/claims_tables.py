"""Claims in tables of a card: Markdown, grids of `+---+`, HTML.

Taken are: a column named for a metric (`Accuracy`, `SST-2 acc. (%)`, `Acc/F1`), a metric column beside a value column
or columns of models, a row that begins with a metric, a classification report, and scores of data sets without a metric
(that of the heading above, else the first of the suite that measures the data). The data set is a column's, the
header's, or, when a suite goes by that name, one that stands in the heading or the sentence above. In a table of
several models only what is about this one is its claim; of a table of training steps only the last row is. An empty
cell under a data set, task or model means the one above.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.evaluation.claims import Claim, bare_figure, in_one_unit, make_claim
from assay.evaluation.claims_about import is_known_model
from assay.evaluation.claims_html import MAX_CELLS, Row
from assay.evaluation.claims_place import bare, clean, with_unit
from assay.evaluation.claims_prose import figures_said
from assay.evaluation.claims_titles import titled
from assay.evaluation.names import is_other_figure, metric_name, metric_within, split_name, squeeze
from assay.evaluation.values import figure_in

if TYPE_CHECKING:
    from assay.evaluation.claims_place import Place

_COLUMNS = {
    "dataset": {
        "dataset",
        "data",
        "benchmark",
        "testset",
        "corpus",
        "evaluationset",
        "evaldataset",
        "testdata",
        "set",
        "evalset",
        "evaluatedon",
        "testedon",
    },
    "task": {"task", "tasktype", "taskname"},
    "split": {"split", "subset", "partition"},
    "metric": {"metric", "measure", "metricname"},
    "value": {"value", "score", "result", "performance", "figure"},
    "model": {
        "model",
        "method",
        "system",
        "approach",
        "modelname",
        "checkpoint",
        "name",
        "architecture",
        "variant",
        "version",
        "size",
        "run",
        "seed",
        "fold",
    },
    "setting": {"threshold", "coverage", "sparsity", "noise", "epsilon", "attack", "class", "label", "fraction"},
    "step": {"epoch", "step", "iteration"},
}
_AVERAGES = {
    "macroavg": "macro", "weightedavg": "weighted", "microavg": "micro", "macro": "macro", "weighted": "weighted",
}  # fmt: skip
_ASIDE = {
    "", "stderr", "version", "filter", "nshot", "shot", "support", "std", "n", "samples", "params", "size", "notes",
    "source", "category", "baseline", "previous", "delta", "date", "epoch", "step", "rank", "parameters",
}  # fmt: skip
_SHOT = {"nshot", "shot", "shots", "fewshot", "numfewshot", "numshots"}
_OF_SHOTS = re.compile(r"(\d{1,3})[- ]?shots?", re.IGNORECASE)
_RUNS = {"run", "seed", "fold"}
_MEANS = {"mean", "average", "avg"}
# Titles of columns and names of rows: this model where nothing goes by its name; another one, a wish, or no model.
_MADE = {"finetuned", "achieved", "actual", "obtained", "after", "afterfinetuning", "measured", "observed", "final"}
_OTHERS = "the row is about another model"
_UNDECIDED = "several rows give this metric on these data, and none is said to be this model's"
_VARIANT = "the column is about a variant of the model"
_SETTING = "the figure is about one of several settings or classes"
_WHOLE = {"all", "overall", "mean", "average", "avg", "default", "none", "clean", "total", "accuracy", *_AVERAGES}
_ONE_CLASS = "the figure is about one class"
_NOTE = "the table names no metric: it is held against the first one of the suite"


@dataclass
class _Table:
    header: list[str]
    roles: dict[str, int]
    place: Place
    rows: list[Row]

    def at(self, cells: list[str], role: str) -> str:
        index = self.roles.get(role, len(cells))
        return cells[index] if index < len(cells) else ""

    def others(self, *roles: str) -> list[int]:
        """Columns that are none of these."""
        taken = {self.roles[role] for role in roles if role in self.roles}
        return [index for index in range(len(self.header)) if index not in taken]


def from_table(header: list[str], rows: list[Row], place: Place) -> list[Claim]:
    """Claims of a table.

    Args:
        header: titles.
        rows: line and cells of each row.
        place: where it stands.
    """
    header, rows = titled(header, rows)
    table = _Table(header, _roles(header), place, rows)
    _unnamed_models(table)
    log = "step" in table.roles and len(rows) > 1
    rows = _filled(table, rows[-1:] if log else rows)
    models = [table.at(cells, "model") for _, cells in rows] if "model" in table.roles else []
    several = len({squeeze(model) for model in models}) > 1
    ours = _ours(table, models)
    claims: list[Claim] = []
    for number, (line, cells) in enumerate(rows):
        obstacle = ""
        if several and not ours[number]:
            if any(ours):
                continue
            obstacle = _OTHERS
        elif len(rows) > 1 and "setting" in table.roles and squeeze(table.at(cells, "setting")) not in _WHOLE:
            obstacle = _SETTING
        nshot = next((cell for title, cell in zip(table.header, cells, strict=False) if squeeze(title) in _SHOT), "")
        more: dict[str, Any] = {"shots": int(nshot) if nshot.isdecimal() else None}
        more |= {role: table.at(cells, role) for role in ("dataset", "task", "split")}
        about: dict[str, Any] = {"source": place.source, "line": line, "obstacle": obstacle, "doubtful": log} | more
        average = _AVERAGES.get(squeeze(table.at(cells, "setting")), "")
        claims += [_with_places(claim, place, table) for claim in _row(table, cells, about, average)]
    return _undecided(in_one_unit(claims))


def _undecided(claims: list[Claim]) -> list[Claim]:
    """Rows that give different figures of one metric on the same data: at most one is about this model as it is."""
    values: dict[tuple[Any, ...], set[float]] = {}
    for claim in claims:
        if claim.value is not None and not claim.obstacle and not claim.first_metric:
            values.setdefault(_key(claim), set()).add(claim.value)
    return [
        replace(claim, obstacle=_UNDECIDED) if len(values.get(_key(claim), ())) > 1 and not claim.obstacle else claim
        for claim in claims
    ]


def _key(claim: Claim) -> tuple[Any, ...]:
    return claim.metric, claim.dataset, claim.split, claim.task, claim.shots, claim.notes


def _unnamed_models(table: _Table) -> None:
    """A first column without a title holds models where one of its cells is this model or a known one."""
    cells = [cells[0] for _, cells in table.rows if cells]
    known = any(table.place.is_ours(cell) or is_known_model(cell) for cell in cells)
    if table.header and not table.header[0] and "model" not in table.roles and len(cells) > 1 and known:
        table.roles["model"] = 0


def _ours(table: _Table, models: list[str]) -> list[bool]:
    """Which rows are about this model: by its name, or the mean of its runs, or what was made of a base."""
    ours = [table.place.is_ours(model) for model in models]
    if any(ours):
        return ours
    runs = "model" in table.roles and squeeze(table.header[table.roles["model"]]).removesuffix("s") in _RUNS
    return [squeeze(model) in (_MEANS if runs else _MADE) for model in models]


def is_log(header: list[str]) -> bool:
    """Whether a table is one of training steps."""
    return "step" in _roles(header)


def _with_places(claim: Claim, place: Place, table: _Table) -> Claim:
    """A figure without a data set is about what the lines above name, or the one title, where a suite knows it."""
    alone = table.header[:1] if len(table.header) > 1 and not any(table.header[1:]) else []
    return claim if claim.dataset else replace(claim, places=(*claim.places, *alone, *place.above))


def _roles(header: list[str]) -> dict[str, int]:
    roles: dict[str, int] = {}
    for index, title in enumerate(header):
        plain = squeeze(_unbracketed(title))
        for role, words in _COLUMNS.items():
            if plain in words or plain.removesuffix("s") in words:
                roles.setdefault(role, index)
    if "dataset" in roles and "model" in roles and squeeze(header[roles["model"]]) == "size":
        del roles["model"]  # of the data
    return roles


def _unbracketed(text: str) -> str:
    """`Benchmark (shots)` without its brackets; what is nothing else stays."""
    return re.sub(r"\s*\([^()]*\)", "", text).strip() or text


def _filled(table: _Table, rows: list[Row]) -> list[Row]:
    """Empty cells of data set, task and model take what stands above them."""
    last: dict[int, str] = {}
    made = []
    for line, cells in rows:
        new = list(cells)
        for role in ("dataset", "task", "model"):
            index = table.roles.get(role)
            if index is not None and index < len(new):
                new[index] = last[index] = new[index] or last.get(index, "")
        made.append((line, new))
    return made


def _row(table: _Table, cells: list[str], about: dict[str, Any], average: str) -> list[Claim]:
    if "metric" in table.roles:
        return _of_metric_column(table, cells, about)
    if "support" in {squeeze(title) for title in table.header} and len(cells) > 1:
        return _of_report(table, cells, about)
    titles = [f"{average} {title}" if average and metric_name(title) else title for title in table.header]
    claims = [one for pair in zip(titles, cells, strict=False) for one in _of_column(*pair, about)]
    claims += _beside(table, cells, about) if any(claim.dataset for claim in claims) else []
    if claims or not cells:
        data = not table.header[0] and table.roles.get("model") != 0 and not table.place.is_ours(cells[0])
        named = cells[0] if claims and data else ""
        told = {"dataset": named} if len(table.rows) > 1 else {"places": (named,)}
        return [replace(one, **told) if named and not one.dataset else one for one in claims]
    told_in = [(index, pair) for index, cell in enumerate(cells) if index for pair in figures_said(cell)]
    if told_in and figure_in(cells[told_in[0][0]]) is None:
        return [make_claim(metric, value, **about) for _, (metric, value) in told_in]
    first = cells[0]
    if metric_within(bare(first))[0] and squeeze(table.header[0] if table.header else "") not in _COLUMNS["model"]:
        pairs = [(table.header[i] if i < len(table.header) else "", cells[i]) for i in range(1, len(cells))]
        return _turned(table, first, pairs, about)
    return _without_metric(table, cells, about)


def _beside(table: _Table, cells: list[str], about: dict[str, Any]) -> list[Claim]:
    """Columns named for data alone, beside such as name a metric and data: `| PPL (WikiText2) | ARC-e |`."""
    rest = {key: item for key, item in about.items() if key not in {"dataset", "task"}} | {"doubtful": True}
    found = []
    for title, value in zip(table.header, cells, strict=False):
        figure = figure_in(value)
        plain = squeeze(title) in _ASIDE or squeeze(title) in set().union(*_COLUMNS.values())
        if (
            figure is not None
            and not plain
            and not metric_within(bare(title))[0]
            and title[0].isupper()
            and "(" not in title
        ):
            found.append(bare_figure(title, with_unit(title, value), note=_NOTE, **rest))
    return found


def _of_column(title: str, value: str, about: dict[str, Any]) -> list[Claim]:
    """A column named for a metric, or for several (`Acc/F1` above `91.2/90.1`)."""
    names, values = title.split("/"), value.split("/")
    if len(names) == len(values) > 1 and all(metric_within(bare(name))[0] for name in names):
        claims = [claim for pair in zip(names, values, strict=True) for claim in _of_column(*pair, about)]
        named = next((claim.dataset for claim in claims if claim.dataset), "")
        return [claim if claim.dataset else replace(claim, dataset=named) for claim in claims]
    if metric_within(bare(title))[0] and figure_in(value) is not None:
        variant = {"obstacle": about["obstacle"] or _VARIANT} if is_other_figure(title) else {}
        return [make_claim(bare(title), with_unit(title, value), **about | variant)]
    return []


def _of_metric_column(table: _Table, cells: list[str], about: dict[str, Any]) -> list[Claim]:
    metric = table.at(cells, "metric")
    if "value" in table.roles:
        value = table.at(cells, "value")
        if figure_in(value) is None or not metric:
            return []
        if metric_within(bare(metric))[0]:
            return [make_claim(bare(metric), with_unit(metric, value), **about)]
        rest = {key: item for key, item in about.items() if key not in {"dataset", "task"}} | {"doubtful": True}
        return [bare_figure(re.sub(r"\s*\([^()]*\)", "", metric), value, note=_NOTE, **rest)]
    if said := [*figures_said(metric)]:
        return [make_claim(name, value, **about) for name, value in said]
    columns = table.others("metric", "dataset", "task", "split", "step")
    pairs = [(table.header[i], cells[i]) for i in columns if i < len(cells)]
    return _turned(table, metric, pairs, about) if metric_within(bare(metric))[0] else []


def _turned(table: _Table, metric: str, pairs: list[tuple[str, str]], about: dict[str, Any]) -> list[Claim]:
    """A row `| accuracy | 0.91 |` under the headers of data sets, of models, or of a value column."""
    place = table.place
    about = about | {role: "" for role in ("dataset", "task") if about[role] == metric}
    pairs = [(title, value) for title, value in pairs if figure_in(value) is not None]
    own = [pair for pair in pairs if place.is_ours(pair[0])] or [pair for pair in pairs if squeeze(pair[0]) in _MADE]
    claims = []
    for title, value in own or pairs:
        plain = squeeze(title)
        named = not own and plain not in _COLUMNS["value"] | _COLUMNS["model"] | {""}
        told = {"dataset": title} if named and not about["dataset"] else {}
        told = {"split": title} if told and split_name(title) in {"test", "validation", "train"} else told
        figure = with_unit(title, with_unit(metric, value))
        claims.append(make_claim(bare(metric), figure, **about | told))
    return claims


def _of_report(table: _Table, cells: list[str], about: dict[str, Any]) -> list[Claim]:
    """A row of scikit-learn's classification report: of an average, of the accuracy, or of one class."""
    name, kept = squeeze(cells[0]), about
    average = _AVERAGES.get(name, "")
    pairs = [
        (title, value)
        for title, value in list(zip(table.header, cells, strict=False))[1:]
        if metric_within(bare(title))[0] and figure_in(value) is not None
    ]
    if metric_within(cells[0])[0]:
        return [make_claim(cells[0], pairs[-1][1], **about)] if pairs else []
    if not average and "dataset" not in table.roles:
        kept = about | {"obstacle": about["obstacle"] or _ONE_CLASS, "doubtful": True}
    return [make_claim(f"{average} {bare(title)}".strip(), with_unit(title, value), **kept) for title, value in pairs]


def _without_metric(table: _Table, cells: list[str], about: dict[str, Any]) -> list[Claim]:
    """Scores of data sets: `| Benchmark | Score |`, `| Model | SST-2 | IMDB |`."""
    place = table.place
    heading = table.header[0] if metric_within(bare(table.header[0]))[0] else ""
    metric = heading or place.metric
    columns = [i for i in table.others("dataset", "task", "split", "model", "step") if i < len(cells)]
    columns = [i for i in columns if i or not heading]
    columns = [i for i in columns if figure_in(cells[i]) is not None and squeeze(table.header[i]) not in _ASIDE]
    names = about["dataset"] or about["task"]
    if not names and not heading and not {"model", "dataset", "task"} & set(table.roles):
        return []
    own = [i for i in columns if place.is_ours(table.header[i]) or squeeze(table.header[i]) in _COLUMNS["value"]]
    shots = {i: int(match[1]) for i in columns if (match := _OF_SHOTS.fullmatch(bare(table.header[i])))}
    own = own or (columns if len(shots) == len(columns) else [])
    claims = []
    for index in (own or columns) if names else columns:
        data = names or table.header[index]
        value = with_unit(table.header[index], cells[index])
        kept = about | {"dataset": data, "task": "", "doubtful": True, "shots": shots.get(index, about["shots"])}
        if names and not own and len(columns) > 1:
            kept["obstacle"] = kept["obstacle"] or _OTHERS
        inside, around = metric_within(data)
        if within := _in_brackets(data):
            claims.append(make_claim(within, value, **kept | {"dataset": _unbracketed(data), "doubtful": False}))
        elif inside:
            claims.append(make_claim(data, value, **kept | {"dataset": around, "doubtful": False}))
        elif metric:
            claims.append(make_claim(metric, value, **kept))
        else:
            rest = {key: item for key, item in kept.items() if key not in {"dataset", "task"}}
            claims.append(bare_figure(data, value, note=_NOTE, places=(_unbracketed(data),), **rest))
    return claims


def _in_brackets(data: str) -> str:
    """The metric in `ARC-Easy (0-shot, acc_norm)`, or nothing."""
    parts = [part for match in re.finditer(r"\(([^()]{1,60})\)", data) for part in re.split("[,;]", match[1])]
    return next((part.strip() for part in parts if metric_name(part.strip())), "")


def cells_of(line: str) -> list[str]:
    """Cells of a line of Markdown."""
    text = line.strip().replace("\\|", "\0")
    inner = text.removeprefix("|").removesuffix("|")
    return [clean(cell.replace("\0", "|")) for cell in inner.split("|")[:MAX_CELLS]]
