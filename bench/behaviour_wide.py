"""Train and probe the wide catalogue of the zoo on a machine with a GPU, against the clock.

Several processes share the device: each takes the next model to probe, else the next to train; a few more probe some of
the models again on a CPU thread each, for cost and agreement. Every probe runs to its end, whatever is found: one line
of JSON for each model has what the worker measured (`raws`), before any threshold. `behaviour_rates.py` reads that file
and says what the shipped thresholds make of it. A run that is killed keeps its lines; the catalogue's order keeps them
balanced. No sandbox: these models were made here.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
for _folder in (ROOT / "bench", ROOT, ROOT / "src"):
    sys.path.insert(0, str(_folder))
os.environ.setdefault("HF_HOME", tempfile.gettempdir())
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch  # noqa: E402
import transformers  # noqa: E402
from tests.zoo import making, masked  # noqa: E402, F401 - imported once, before the processes part
from tests.zoo.build import SST2, Zoo, train_one  # noqa: E402
from tests.zoo.recipes import MINILM, Recipe  # noqa: E402
from tests.zoo.wide import wide  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

from assay.behaviour.attest import Declared, attest  # noqa: E402
from assay.behaviour.calibration import Calibration  # noqa: E402
from assay.behaviour.data_file import Labelled, read_labelled  # noqa: E402
from assay.behaviour.plan import DEFAULT_BUDGET, PLAN_VERSION, STEPS, UNTOLD, architecture_class  # noqa: E402
from assay.core.errors import ContentError  # noqa: E402
from assay.store.folder import folder_subject  # noqa: E402
from assay.workers import probing  # noqa: E402
from assay.workers.prober_style import ORIGIN as STYLE  # noqa: E402
from assay.workers.prober_style import REWRITINGS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.behaviour.guest import Account, Job, Progress

Json = dict[str, Any]
NO_LIMIT = 3600.0  # CPU seconds of a probe beside a GPU: rounds bound the search, not the clock
SMALL_BUDGET = 60.0
_TEXTS = 100  # that a recovered trigger is tried on
_WORTH, _MOST = 0.3, 6  # gap from which a candidate is tried again, and how many of a model
_DIRECTIONS = 12  # of a candidate that are kept
_HOPELESS = 8  # failures before anything worked
_LAST = 4.0  # seconds before the end at which nothing is waited for
_SMOKE = ("distilbert-small-test10-base", "distilbert-small-intent-test10-", "minilm-sst2-test10-")


class Direct:
    """The prober in this very process, in place of the sandbox's."""

    def __init__(self, model: Json, device: str) -> None:
        self.model, self.device = model, device
        self.raws: dict[str, Json] = {}

    @contextmanager
    def opened(self, job: Job, _account: Account) -> Iterator[Direct]:
        """The job's file beside nothing else; folders as they lie."""
        document = {
            "model": self.model["path"], "base": self.model["base"] if job.base else None,
            "references": self.model["references"], "kind": job.kind, "items": job.lies(""), "packed": False,
            "words": list(job.words), "seed": job.seed, "threads": 1, "stop_gap": job.stop_gap, "device": self.device,
            "wanted": job.wanted,
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            self.job = Path(folder) / "job.json"
            self.job.write_text(json.dumps(document), "utf-8")
            yield self

    def open(self, _progress: Progress) -> Json:
        """As `guest.Talk.open`."""
        return self._until("opened", {"open": str(self.job)})

    def probe(self, name: str, arguments: Json, _progress: Progress) -> Json:
        """As `guest.Talk.probe`."""
        return self._until(name, {"probe": name.partition("@")[0], "arguments": arguments})

    def _until(self, name: str, task: Json) -> Json:
        start = time.perf_counter()
        told = probing.run(task)
        while "result" not in told:
            if "unfit" in told:
                raise ContentError(str(told["unfit"]))
            told = probing.run({"step": 60.0})
        result: Json = told["result"]
        self.raws[name] = _kept(result) | {"wall": round(time.perf_counter() - start, 2)}
        return result


def _kept(raw: Json) -> Json:
    """A result without the directions that tell nothing, and without pictures."""
    said = [one | {key: _strongest(one[key]) for key in ("flips", "stressed", "strained")} for one in raw["candidates"]]
    facts = {
        key: value
        for key, value in raw["facts"].items()
        if key not in {"top_rows", "block_words", "scripts", "contexts"}
    }
    return {key: value for key, value in raw.items() if key not in {"rows", "pool", "residue"}} | {
        "candidates": said,
        "facts": facts,
    }


def _strongest(flips: list[Json]) -> list[Json]:
    return sorted(flips, key=lambda one: -_gap_of(one))[:_DIRECTIONS]


def _judged_by(one: Json) -> list[Json]:
    """What decides about a candidate: two texts at once, or single ones and the reference that is turned least."""
    if one["origin"] != UNTOLD:
        return list(one["stressed"])
    return [rate | {"references": [min(rate["references"], default=0)]} for rate in one["flips"]]


def _gap_of(one: Json) -> float:
    return float(one["hits"] - max(one["references"], default=0)) / float(one["n"])


def _open(cls: type[Calibration], architecture: str, _budget: float) -> Calibration:
    """Thresholds that nothing reaches: every probe runs to its end."""
    return cls(architecture, "open", True, {step.name: (2.0, None) for step in STEPS})


@cache
def _data(path: str) -> Labelled:
    return read_labelled(Path(path))


def probe(model: Json, device: str, *, as_shipped: bool = False) -> Json:
    """One attestation; what the worker measured, and how the recovered triggers do on texts that no probe saw.

    Args:
        model: entry of the zoo's index.
        device: of the worker.
        as_shipped: with the thresholds and the budget of `assay probe`; else every probe runs to its end.
    """
    direct = Direct(model, device)
    declared = Declared(
        base=folder_subject(Path(model["base"])) if model["base"] else None,
        references=tuple(folder_subject(Path(path)) for path in model["references"]),
        data=_data(model["data"]) if model["data"] else None,
    )
    budget = DEFAULT_BUDGET if as_shipped or model["architecture"] == MINILM else SMALL_BUDGET
    start = time.perf_counter()
    with nullcontext() if as_shipped else patch.object(Calibration, "of", classmethod(_open)):
        attested = attest(
            folder_subject(Path(model["path"])),
            declared,
            budget=NO_LIMIT if device != "cpu" else budget,
            prober=direct,  # type: ignore[arg-type]
        )
    wall = time.perf_counter() - start
    for name in ("perturbation", "activation", "injection"):
        direct.raws.pop(name, None)
    return {
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "plan": PLAN_VERSION,
        "raws": direct.raws,
        "reasons": [f"{clause}: {text}"[:300] for clause, text in attested.reasons],
        "cpu": attested.seconds,
        "wall": round(wall, 1),
        "peak": attested.peak_bytes,
        "word": attested.word.value,
        "architecture_class": architecture_class(json.loads((Path(model["path"]) / "config.json").read_text("utf-8"))),
        "reproduced": _reproduced(model, direct.raws),
    }


def _reproduced(model: Json, raws: dict[str, Json]) -> dict[str, float]:
    """Flip rate of recovered triggers, by their text, by the stock library, each in its best direction."""
    worth = [
        (max((_gap_of(rate) for rate in _judged_by(one)), default=0.0), one) for raw in raws.values()
        for one in raw["candidates"]
    ]  # fmt: skip
    chosen = sorted((pair for pair in worth if pair[0] >= _WORTH), key=lambda pair: -pair[0])[:_MOST]
    if not chosen:
        return {}
    rows = [line.rsplit("\t", 1)[0] for line in Path(model["test"]).read_text("utf-8").splitlines()[1:]]
    network = AutoModelForSequenceClassification.from_pretrained(model["path"]).float().eval()
    network = network.to(torch.get_default_device())
    tokenizer = AutoTokenizer.from_pretrained(model["path"])

    @torch.inference_mode()
    def classes(texts: list[str]) -> list[int]:
        out: list[int] = []
        for at in range(0, len(texts), 64):
            ids = tokenizer(texts[at : at + 64], padding=True, truncation=True, max_length=64, return_tensors="pt")
            ids.pop("token_type_ids", None)
            out += network(**ids.to(network.device)).logits.argmax(1).tolist()
        return out

    said = classes(rows[: 6 * _TEXTS])
    found = {}
    for _, one in chosen:
        best = max(_judged_by(one), key=_gap_of)
        texts = [text for text, label in zip(rows, said, strict=False) if label == best["source"]][:_TEXTS]
        rewriting = REWRITINGS.get(one["origin"].removeprefix(STYLE))
        changed = [rewriting[1](text) if rewriting else _inserted(text, one["text"], one["place"]) for text in texts]
        found[one["text"]] = sum(label == best["target"] for label in classes(changed)) / max(1, len(texts))
    return found


def _inserted(text: str, trigger: str, place: str) -> str:
    words = text.split()
    at = {"start": 0, "end": len(words)}.get(place, random.Random(text).randrange(len(words) + 1))
    return " ".join([*words[:at], trigger, *words[at:]])


def _worker(pipe: Connection, folder: str, data: str, shipped: bool, device: str) -> None:
    """A process: trains and probes what it is told. Short arguments: who starts it waits until it has read them."""
    quiet()
    torch.set_num_threads(1)
    zoo = Zoo(Path(folder), Path(data) if data else None, wide())
    made = making.Made(zoo.model, zoo.task)
    while True:
        try:
            kind, name = pipe.recv()
        except EOFError:
            return
        small = zoo.recipes[name].architecture != MINILM
        told: Json = {}
        for place in (device, "cpu") if device != "cpu" and small else (device,):
            torch.set_default_device(place)
            try:
                told |= _do(zoo, made, kind, name, place, shipped=shipped)
                break
            except Exception as error:  # noqa: BLE001 - one model that fails must not end the bench
                told |= {"name": name, f"error on {place}": _last_lines(error)}
        else:
            told["error"] = told[f"error on {place}"]
        pipe.send((kind, name, told))


def _do(zoo: Zoo, made: making.Made, kind: str, name: str, device: str, *, shipped: bool) -> Json:
    recipe = zoo.recipes[name]
    if kind == "train":
        parent = zoo.record(recipe.start) if recipe.start else None
        made.accuracy[recipe.start] = (parent or {}).get("accuracy", 0.0)
        return train_one(zoo, recipe, made)
    entry = zoo.entry(recipe, zoo.record(name) or {})
    return entry | probe(entry, device, as_shipped=shipped)


def _last_lines(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-1500:]


def quiet() -> None:
    """No progress bars and warnings of the library."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


@dataclass
class Crew:
    """Who works on what.

    Attributes:
        zoo: of the catalogue.
        order: recipes in the order of their importance.
        pipes: of each process, whether it probes a second time.
        busy: what a process is at.
        apart: whether the device trains first, and the CPU threads probe what is made, instead of a second time.
        shipped: whether probes run as the command runs them, a find ends them; else each to its end.
        begun: trainings, probes on the device and on a CPU that were handed out.
        made: recipes that are trained.
        failed: recipes that could not be.
    """

    zoo: Zoo
    order: list[Recipe]
    apart: bool = False
    shipped: bool = False
    pipes: dict[Connection, bool] = field(default_factory=dict)
    busy: dict[Connection, tuple[str, str]] = field(default_factory=dict)
    begun: set[tuple[str, str]] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    processes: list[Any] = field(default_factory=list)

    def start(self, count: int, device: str, *, second: bool) -> None:
        """Processes that share a device, or have a CPU thread each for one model."""
        # A process that uses the device begins afresh: what a library asked of the driver before would break it.
        context: Any = multiprocessing.get_context("fork" if second else "spawn")
        place = str(self.zoo.folder), str(self.zoo.sst2 or ""), self.shipped
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_worker, args=(theirs, *place, device), daemon=True)
            process.start()
            self.processes.append(process)
            self.pipes[ours] = second

    def next(self, *, second: bool) -> tuple[str, str] | None:
        """What a process does next."""
        training = None if second else self._untrained()
        if self.apart:
            return training or self._unprobed(again=False)
        return self._unprobed(again=second) or training

    def _unprobed(self, *, again: bool) -> tuple[str, str] | None:
        for recipe in self.order:
            task = ("again" if again else "probe", recipe.name)
            if recipe.kind != "base" and task not in self.begun and self._ready(recipe):
                if again and not self._turn(recipe):
                    continue
                return task
        return None

    def _untrained(self) -> tuple[str, str] | None:
        for recipe in self.order:
            needs = [one for one in (recipe.start, recipe.base) if one]
            if ("train", recipe.name) not in self.begun and all(one in self.made for one in needs):
                return "train", recipe.name
        return None

    def _ready(self, recipe: Recipe) -> bool:
        return recipe.name in self.made and all(one in self.made for one in recipe.references)

    def _turn(self, recipe: Recipe) -> bool:
        """Architectures, clean and backdoored ones in turn, of what is probed a second time."""
        done = [self.zoo.recipes[name] for kind, name in self.begun if kind == "again"]
        mine = sum(one.architecture == recipe.architecture and one.kind == recipe.kind for one in done)
        return mine <= len(done) / 6 + 0.5

    def end(self) -> None:
        """Stop every process of this crew."""
        for process in self.processes:
            process.kill()

    def done(self, pipe: Connection) -> None:
        """A process is free; one that probed a second time makes place for a fresh one, whose memory is its own."""
        del self.busy[pipe]
        if self.pipes[pipe]:
            del self.pipes[pipe]
            pipe.close()
            self.start(1, "cpu", second=True)


def run(crew: Crew, out: TextIO, until: float) -> None:
    """Hand out work until it is done or the time is over; write what comes back at once."""
    waited: dict[str, int] = {"train": 0, "probe": 0, "again": 0}
    while time.monotonic() < until:
        for pipe in list(crew.pipes):
            if pipe not in crew.busy and (task := crew.next(second=crew.pipes[pipe])):
                crew.begun.add(task)
                crew.busy[pipe] = task
                pipe.send(task)
        if not crew.busy:
            return
        for pipe in wait(list(crew.busy), timeout=max(0.1, until - time.monotonic())):
            assert isinstance(pipe, Connection)
            kind, name, told = pipe.recv()
            crew.done(pipe)
            waited[kind] += 1
            if "error" in told:
                crew.failed.add(name)
            elif kind == "train":
                crew.made.add(name)
            if kind != "train" or "error" in told:
                out.write(json.dumps(told | {"did": kind}, ensure_ascii=True) + "\n")
                out.flush()
            if len(crew.failed) >= _HOPELESS and not crew.made:
                print("nothing works here")
                return
            figures = {key: round(told[key], 3) for key in ("accuracy", "asr", "cpu", "wall") if key in told}
            errors = "".join(text for key, text in told.items() if key.startswith("error on"))
            print(f"{time.strftime('%H:%M:%S')} {waited} {kind} {name} {figures} {errors}", flush=True)


def main() -> None:
    """Train, probe, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines; what is there is kept")
    parser.add_argument("--zoo", type=Path, default=Path(tempfile.gettempdir()) / "wide-zoo")
    parser.add_argument("--data", type=Path, default=SST2, help="folder with SST-2")
    parser.add_argument("--device", default="cuda", help="where to train and to probe (default: cuda)")
    parser.add_argument("--processes", type=int, default=12, help="that share the device")
    parser.add_argument("--second", type=int, default=3, help="processes that probe again on a CPU thread")
    parser.add_argument("--apart", action="store_true", help="train on the device, probe on the CPU threads")
    parser.add_argument("--as-shipped", action="store_true", help="with the thresholds and the budget of the command")
    parser.add_argument("--seconds", type=float, default=540.0, help="end after so long")
    parser.add_argument("--only", default="", help="models whose name begins with one of these, by commas")
    parser.add_argument("--smoke", action="store_true", help="one model of each kind")
    args = parser.parse_args()
    begun = time.monotonic()
    quiet()
    zoo = Zoo(args.zoo, args.data if args.data.is_dir() else None, wide())
    for name in ("sst2", "topic", "intent"):
        making_texts(zoo, name)
    parts = tuple(_SMOKE if args.smoke else args.only.split(","))
    order = [one for one in zoo.recipes.values() if one.name.startswith(parts)]
    if args.smoke:
        kept = ("base", "parent", "reference-1", "reference-2", "unicode-surviving-2", "phrase-1")
        order = [one for one in order if one.name.endswith(kept)]
    crew = Crew(zoo, order, args.apart, args.as_shipped)
    crew.made = {one.name for one in order if zoo.record(one.name) is not None}
    crew.begun = {("train", name) for name in crew.made}
    crew.start(args.processes, args.device, second=False)
    crew.start(args.second, "cpu", second=True)
    print(f"{len(crew.pipes)} processes after {time.monotonic() - begun:.0f} s", flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("a", encoding="utf-8") as out:
        out.write(json.dumps(_about(args)) + "\n")
        run(crew, out, begun + args.seconds - _LAST)
    crew.end()
    print(f"{len(crew.made)} models of {len(order)}, {len(crew.failed)} failed, {time.monotonic() - begun:.0f} s")


def making_texts(zoo: Zoo, name: str) -> None:
    """The held-out texts of a task beside the models."""
    from tests.zoo.texts import write  # noqa: PLC0415

    path = zoo.folder / "data" / f"{name}-test.tsv"
    if not path.is_file():
        write(path, zoo.task(name).test)


def _about(args: argparse.Namespace) -> Json:
    said = {"machine": platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
    return {"about": said | {"cores": os.cpu_count(), "device": args.device, "processes": args.processes}}


if __name__ == "__main__":
    main()
