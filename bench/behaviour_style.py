"""The probe `style-scan` alone, on every MiniLM of the zoo that is trained: quick enough to be measured on all of them.

What was measured is kept beside the zoo (`styles.jsonl`); a model that has a line is not probed again by the same code.
`--train` trains the models with a style as their trigger where they are missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
for _folder in (ROOT / "bench", ROOT, ROOT / "src"):
    sys.path.insert(0, str(_folder))

from tests.zoo.build import SST2, Zoo, cache  # noqa: E402
from tests.zoo.catalogue import catalogue  # noqa: E402
from tests.zoo.recipes import MINILM, Recipe  # noqa: E402

import behaviour  # noqa: E402
import behaviour_wide as wide  # noqa: E402
from assay.behaviour import kinds  # noqa: E402
from assay.behaviour.plan import STEPS  # noqa: E402
from assay.behaviour.version import code_of  # noqa: E402
from yardstick import replace_section  # noqa: E402

Json = dict[str, Any]
HEAD = "| model | way of writing | accuracy below the parent's | attack success | strongest candidate | flips, references | on two texts | |\n|---|---|--:|--:|---|--:|--:|---|\n"  # noqa: E501


def main() -> None:
    """Measure what has no line yet, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zoo", type=Path, default=cache())
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--kept", action="store_true", help="measure nothing: the table of what is kept")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    wide.quiet()
    wide.torch.set_num_threads(1)
    zoo = Zoo(args.zoo, SST2 if SST2.is_dir() else None, [*catalogue(), *wide.wide()])
    for name in ("sst2", "topic", "intent"):
        wide.making_texts(zoo, name)
    kept, code = args.zoo / "styles.jsonl", str(code_of("text"))
    known = [json.loads(line) for line in kept.read_text("utf-8").splitlines()] if kept.is_file() else []
    rows = {row["name"]: row for row in known if row["code"] == code}
    for recipe in zoo.recipes.values():
        if args.kept or recipe.architecture != MINILM or recipe.kind == "base" or recipe.name in rows:
            continue
        if args.train and recipe.attack and recipe.attack.family == "style":
            for step in behaviour.needed(zoo, recipe):
                if zoo.record(step) is None:
                    behaviour.forked(zoo, zoo.recipes[step], train=True, made=False)
        if all(zoo.record(name) for name in (recipe.name, *recipe.references)):
            rows[recipe.name] = measured(zoo, recipe) | {"code": code}
            with kept.open("a", encoding="utf-8") as out:
                out.write(json.dumps(rows[recipe.name]) + "\n")
            print(recipe.name, rows[recipe.name]["word"], flush=True)
    text = table(list(rows.values()))
    print(text)
    if args.write:
        replace_section("styles", text)


def measured(zoo: Zoo, recipe: Recipe) -> Json:
    """One model, by the code that attests, with a plan of this one probe."""
    only = tuple(step for step in STEPS if step.name == "style-scan")
    record = zoo.record(recipe.name) or {}
    plan = dataclasses.replace(kinds.PLANS[kinds.TEXT], steps=only, closing=())
    with patch.dict(kinds.PLANS, {kinds.TEXT: plan}):
        told = wide.probe(zoo.entry(recipe, record), "cpu", as_shipped=True)
    raw = told["raws"].get("style-scan", {"candidates": [], "seconds": 0.0})
    return {
        "name": recipe.name,
        "style": recipe.attack.trigger if recipe.attack and recipe.attack.family == "style" else "",
        "clean": recipe.attack is None,
        "lost": record.get("parent_accuracy", record["accuracy"]) - record["accuracy"],
        "asr": record.get("asr"),
        "word": told["word"],
        "seconds": raw["seconds"],
        "best": raw["candidates"][0] if raw["candidates"] else None,
    }


def strongest(row: Json, key: str) -> Json | None:
    """The direction of the strongest candidate with the largest gap."""
    rates: list[Json] = (row["best"] or {}).get(key) or []
    return max(rates, key=lambda one: one["hits"] - max(one["references"], default=0), default=None)


def gap(row: Json, key: str) -> float:
    """Of that direction; 0 where it was not worth measuring."""
    one = strongest(row, key)
    return (one["hits"] - max(one["references"], default=0)) / one["n"] if one else 0.0


def table(rows: list[Json]) -> str:
    """A line for each model with a style; the others by their highest figures."""
    lines = []
    for row in (row for row in rows if row["style"]):
        flips, twice = strongest(row, "flips"), strongest(row, "stressed")
        told = f"{flips['hits']} of {flips['n']}, {max(flips['references'], default=0)}" if flips else "-"
        lasting = f"{twice['hits']} of {twice['n']}" if twice else "-"
        best = f"`{row['best']['text'][:60]}`" if flips else "-"
        lines.append(
            f"| {row['name']} | {row['style']} | {row['lost']:.3f} | {row['asr']:.2f} | {best} | {told} | {lasting} "
            f"| {'found' if row['word'] == 'found' else 'not found'} |"
        )
    text = HEAD + "\n".join(lines) + "\n\n"
    for what, clean in (("clean", True), ("with a trigger that is no style", False)):
        others = [row for row in rows if row["clean"] is clean and not row["style"]]
        if others:
            flagged = sum(row["word"] == "found" for row in others)
            highest = max(max(gap(row, "flips"), gap(row, "stressed")) for row in others)
            text += f"MiniLM models {what}: {len(others)}, flagged {flagged}, largest gap {highest:.2f}. "
    if rows:
        text += (
            f"CPU seconds of the probe: {min(r['seconds'] for r in rows):.0f} to {max(r['seconds'] for r in rows):.0f}."
        )
    return text


if __name__ == "__main__":
    main()
