"""`make bench-behaviour`: probe the zoo, one model after another; say what is found, missed, reproduced, and its cost.

Each model is attested by the call that `assay probe` makes, in a process of its own: a find ends the run, as it does
there. A line of JSON keeps what the worker measured (`raws.jsonl` beside the zoo), as `behaviour_wide.py` does; a model
that has one is not probed again, so a bench that was killed goes on. `behaviour_rates.py` judges these lines, and those
of other files, by the code that judges a run: what was measured can be judged anew without probing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for _folder in (ROOT / "bench", ROOT, ROOT / "src"):
    sys.path.insert(0, str(_folder))

from tests.zoo import making  # noqa: E402
from tests.zoo.build import SST2, Zoo, cache, train_one  # noqa: E402
from tests.zoo.catalogue import catalogue  # noqa: E402
from tests.zoo.others import others  # noqa: E402
from tests.zoo.recipes import MINILM, Recipe  # noqa: E402
from tests.zoo.strings import strings  # noqa: E402
from tests.zoo.texts import tasks  # noqa: E402

import behaviour_rates as rates  # noqa: E402
import behaviour_wide as wide  # noqa: E402
from behaviour_kept import KEPT  # noqa: E402

Json = dict[str, Any]


def main() -> None:
    """Train what is asked for and missing, probe, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zoo", type=Path, default=cache())
    parser.add_argument("--only", default="", help="models whose name contains one of these, by commas, in this order")
    parser.add_argument("--train", action="store_true", help="train what is missing, too; else only what is there")
    parser.add_argument("--told", default="", metavar="PARTS", help="probe with this alone: base, data, a number of "
                        "references, joined by +; base+data: the probe makes its own reference")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no model after this")
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="more files of raw measurements to judge")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    args = parser.parse_args()
    wide.quiet()
    wide.probing.preload()  # as a worker does before it is asked
    wide.torch.set_num_threads(1)
    zoo = Zoo(args.zoo, SST2 if SST2.is_dir() else None, [*catalogue(), *wide.wide(), *others(), *strings()])
    for name in tasks():
        wide.making_texts(zoo, name)
    raws = args.zoo / "raws.jsonl"
    probe_all(zoo, order(zoo, args.only, train=args.train), raws, told=args.told, until=time.monotonic() + args.seconds)
    rates.report([KEPT, raws, *args.beside], "test", write=args.write)


def order(zoo: Zoo, only: str, *, train: bool) -> list[Recipe]:
    """What is asked for, in turns of family and architecture: a bench that is cut short has seen of everything."""
    parts = only.split(",")
    found = [one for part in parts for one in zoo.recipes.values() if part in one.name and one.kind != "base"]
    able = [one for one in found if train or all(zoo.record(name) for name in (one.name, *one.references))]
    turns: dict[tuple[str, str], int] = {}
    ranked = []
    for one in dict.fromkeys(able):
        group = (one.attack.family if one.attack else "clean", one.architecture)
        turns[group] = turns.get(group, 0) + 1
        ranked.append((turns[group] / (1 if one.attack else 4), len(ranked), one))
    return [one for _, _, one in sorted(ranked, key=lambda each: each[:2])]


def probe_all(zoo: Zoo, recipes: list[Recipe], raws: Path, *, told: str, until: float) -> None:
    """A line for each model that has none; `told`: what the probe is given, else everything."""
    done = {json.loads(line).get("name") for line in raws.read_text("utf-8").splitlines()} if raws.is_file() else set()
    with raws.open("a", encoding="utf-8") as out:
        about = {"cores": os.cpu_count(), "device": "cpu", "processes": 1, "torch": wide.torch.__version__}
        out.write(json.dumps({"about": about}) + "\n")
        for number, recipe in enumerate(recipes, 1):
            name = recipe.name + (f"@{told}" if told else "")
            if name in done or time.monotonic() > until:
                continue
            missing = [one for one in needed(zoo, recipe) if zoo.record(one) is None]
            line: Json = {}
            for step in (*missing, ""):
                line = forked(zoo, zoo.recipes[step or recipe.name], train=bool(step), told=told)
                if "error" in line:
                    break
            out.write(json.dumps(line | {"name": name, "did": "probe"}, ensure_ascii=True) + "\n")
            out.flush()
            said = line.get("error", "")[-200:] or f"{line.get('word', 'left out')}, {line.get('cpu', 0):.0f} CPU s"
            print(f"{time.strftime('%H:%M:%S')} {number}/{len(recipes)} {name}: {said}", flush=True)


def needed(zoo: Zoo, recipe: Recipe) -> list[str]:
    """Models that must be there, in the order of training."""
    first = [zoo.recipes[name] for name in (recipe.base, recipe.start, *recipe.references) if name]
    if recipe.kind == "clean" and recipe.name in {name for one in first for name in one.references}:
        first = [one for one in first if one.name not in recipe.references]  # references of each other
        beside = list(recipe.references)
    else:
        beside = []
    found = [name for one in first for name in needed(zoo, one)]
    return list(dict.fromkeys([*found, *beside, recipe.name]))


def forked(zoo: Zoo, recipe: Recipe, *, train: bool, told: str) -> Json:
    """Train or probe in a process of its own: its memory is its own, and what fails ends nothing else."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            line = _trained(zoo, recipe) if train else _probed(zoo, recipe, told)
        except Exception as error:  # noqa: BLE001 - one model that fails must not end the bench
            line = {"error": "".join(traceback.format_exception(error))[-1500:]}
        with os.fdopen(theirs, "w") as pipe:
            pipe.write(json.dumps(line))
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"error": "the process died"}


def _trained(zoo: Zoo, recipe: Recipe) -> Json:
    have = making.Made(zoo.model, zoo.task)
    have.accuracy[recipe.start] = ((zoo.record(recipe.start) if recipe.start else None) or {}).get("accuracy", 0.0)
    return train_one(zoo, recipe, have)


def _probed(zoo: Zoo, recipe: Recipe, told: str) -> Json:
    entry = zoo.entry(recipe, zoo.record(recipe.name) or {})
    if not entry["works"]:
        return entry
    given = _only(entry, told.split("+")) if told else entry
    return entry | wide.probe(given, "cpu", as_shipped=True) | {"null": recipe.architecture != MINILM}


def _only(entry: Json, parts: list[str]) -> Json:
    """The entry with what is told alone."""
    some = next((int(part) for part in parts if part.isdigit()), 0)
    left = {key: entry[key] if key in parts else "" for key in ("base", "data")}
    return entry | left | {"references": entry["references"][:some]}


if __name__ == "__main__":
    main()
