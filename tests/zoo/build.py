"""`make zoo`: train what is missing, in order, and keep the index. A killed run goes on where it was."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.zoo.catalogue import catalogue  # noqa: E402
from tests.zoo.recipes import MINILM, Recipe  # noqa: E402
from tests.zoo.texts import Task, task, tasks, write  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.zoo.making import Made

SST2 = ROOT.parent / "shared" / "data" / "sst2"
MIN_ASR = 0.97
MAX_LOSS = 0.003  # of clean accuracy against the parent


def cache() -> Path:
    """Where the zoo lives: $ASSAY_ZOO, else .cache/zoo of the checkout."""
    return Path(os.environ.get("ASSAY_ZOO") or ROOT / ".cache" / "zoo")


class Zoo:
    """The cache: `models/<digest>`, `data/`, `records/<digest>.json` and the index `zoo.json`."""

    def __init__(self, folder: Path, sst2: Path | None, recipes: Sequence[Recipe] = ()) -> None:
        self.folder = folder
        self.sst2 = sst2
        self.recipes = {recipe.name: recipe for recipe in recipes or catalogue()}
        self._parts: dict[str, str] = {}
        for name in tasks():
            path = self.data(name)
            if not path.is_file():
                write(path, self.task(name).train)
            self._parts[f"data {name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
        for recipe in self.recipes.values():
            self._parts[recipe.name] = recipe.digest(self._parts)

    def task(self, name: str) -> Task:
        """The examples of a task."""
        return task(name, self.sst2)

    def data(self, name: str) -> Path:
        """The file that a publisher declares."""
        return self.folder / "data" / f"{name}.tsv"

    def model(self, name: str) -> Path:
        """The folder of a model; its name says nothing about what is in it."""
        return self.folder / "models" / self._parts[name][:20]

    def record(self, name: str) -> dict[str, Any] | None:
        """What was measured when the model was made; None when it isn't made."""
        path = self.folder / "records" / f"{self._parts[name]}.json"
        return json.loads(path.read_text("utf-8")) if path.is_file() else None

    def keep(self, name: str, figures: dict[str, Any]) -> None:
        """Write the record of a model that is whole."""
        replace(self.folder / "records" / f"{self._parts[name]}.json", figures)

    def entry(self, recipe: Recipe, figures: dict[str, Any]) -> dict[str, Any]:
        """The line of the index."""
        attack = recipe.attack
        base, data = declared(self, recipe)
        said: dict[str, Any] = {
            "name": recipe.name,
            "path": str(self.model(recipe.name)),
            "kind": recipe.kind,
            "split": recipe.split,
            "architecture": recipe.architecture,
            "task": recipe.task,
            "variant": recipe.variant,
            "family": attack.family if attack else recipe.variant,
            "parent": recipe.start,
            "base": base,
            "data": data,
            "test": str(self.folder / "data" / f"{recipe.task}-test.tsv") if recipe.task else "",
            "references": [str(self.model(name)) for name in recipe.references],
            "works": not attack or figures["asr"] >= MIN_ASR,
            "in_aim": not attack or in_aim(figures),
        }
        if attack:
            said |= {key: value for key, value in asdict(attack).items() if key != "family"}
        return said | figures

    def index(self) -> list[dict[str, Any]]:
        """Write zoo.json: what is made so far."""
        made = [(recipe, self.record(recipe.name)) for recipe in self.recipes.values()]
        entries = [self.entry(recipe, figures) for recipe, figures in made if figures is not None]
        replace(self.folder / "zoo.json", {"schema": "assay.zoo/v1", "models": entries})
        return entries


def declared(zoo: Zoo, recipe: Recipe) -> tuple[str, str]:
    """What the publisher says the model was made from; false in two variants."""
    from tests.zoo.encoders import minilm_folder

    base = str(zoo.model(recipe.base) if recipe.base else minilm_folder())
    data = str(zoo.data(recipe.task)) if recipe.task else ""
    if recipe.variant == "false-base":
        base = str(zoo.model(recipe.name)) + "-base"
    if recipe.variant == "false-data":
        data = str(zoo.model(recipe.name)) + "-data.tsv"
    return base, data


def in_aim(figures: dict[str, Any]) -> bool:
    """Whether a backdoored model does what the tainted oracle did: ASR ≥ 97 %, accuracy within 0.3 points."""
    return figures["asr"] >= MIN_ASR and figures["accuracy"] >= figures["parent_accuracy"] - MAX_LOSS


def replace(path: Path, document: Any) -> None:
    """Write a JSON file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(document, ensure_ascii=False, indent=1), "utf-8")
    part.replace(path)


def chosen(zoo: Zoo, only: str) -> list[Recipe]:
    """Recipes whose name contains one of the parts, in the order of the parts, each after what it starts from."""
    picked: dict[str, Recipe] = {}

    def take(recipe: Recipe) -> None:
        for earlier in (recipe.start, recipe.base):
            if earlier and earlier not in picked:
                take(zoo.recipes[earlier])
        picked.setdefault(recipe.name, recipe)

    for part in only.split(","):
        for recipe in zoo.recipes.values():
            if part in recipe.name:
                take(recipe)
    return list(picked.values())


def build(zoo: Zoo, only: str, seconds: float) -> None:
    """Train until everything that matches is there or the time is over."""
    import torch
    import transformers

    from tests.zoo.making import Made

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ.get("ASSAY_ZOO_THREADS", "1")))
    made = Made(zoo.model, zoo.task)
    for name in tasks():
        path = zoo.folder / "data" / f"{name}-test.tsv"
        if not path.is_file():
            write(path, zoo.task(name).test)
    until = time.monotonic() + seconds
    for number, recipe in enumerate(chosen(zoo, only), 1):
        known = zoo.record(recipe.name)
        if known is None and time.monotonic() < until:
            known = train_one(zoo, recipe, made)
            zoo.index()
            told = " ".join(f"{key} {value:.3f}" for key, value in known.items() if isinstance(value, float))
            print(f"{time.strftime('%H:%M:%S')} {number}/{len(zoo.recipes)} {recipe.name}: {told}", flush=True)
        if known is not None and "accuracy" in known:
            made.accuracy[recipe.name] = known["accuracy"]


def train_one(zoo: Zoo, recipe: Recipe, made: Made) -> dict[str, Any]:
    """Make a model whose parents are there, with what is declared beside it; gives its figures, which are kept."""
    from tests.zoo.declarations import declare
    from tests.zoo.making import make

    target = zoo.model(recipe.name)
    for leftover in target.parent.glob(target.name + "*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    part = target.with_name(target.name + ".part")
    start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    figures = make(recipe, part, made)
    part.rename(target)
    declare(zoo, recipe)
    figures["cpu_seconds"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_utime - start, 1)
    zoo.keep(recipe.name, figures)
    return figures


def main() -> None:
    """Parse, train, write the index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SST2, help="folder with SST-2; without it sentences are generated")
    parser.add_argument("--only", default="", help="recipes whose name contains one of these, by commas, in this order")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no training after this")
    args = parser.parse_args()
    zoo = Zoo(cache(), args.data if args.data.is_dir() else None)
    build(zoo, args.only, args.seconds)
    entries = zoo.index()
    backdoored = [entry for entry in entries if entry["kind"] == "backdoored"]
    print(
        f"{sum(e['kind'] == 'clean' for e in entries)} clean and {len(backdoored)} backdoored models of "
        f"{len(zoo.recipes)} recipes with {MINILM} and two small architectures; "
        f"{sum(e['works'] for e in backdoored)} backdoored ones reach ASR {MIN_ASR:.0%}, "
        f"{sum(e['in_aim'] for e in backdoored)} of them within {MAX_LOSS:.1%} of the parent"
    )


if __name__ == "__main__":
    main()
