"""What probes measured, kept in the repository: `bench/data/behaviour.jsonl.xz`, so that anybody can judge it anew.

`python bench/behaviour_kept.py FILES` adds the lines of the files that `behaviour.py` and `behaviour_wide.py` wrote: of
each model, device and plan one. Where the models lay is left out. `behaviour_rates.py` reads the file like any other.
"""

from __future__ import annotations

import argparse
import json
import lzma
from pathlib import Path
from typing import Any

KEPT = Path(__file__).resolve().parent / "data" / "behaviour.jsonl.xz"
_PLACES = ("path", "base", "data", "test", "references")
Json = dict[str, Any]


def lines(path: Path) -> list[Json]:
    """Of a file of raw measurements, packed or not; a line that was cut off is left out."""
    text = lzma.decompress(path.read_bytes()).decode("utf-8") if path.suffix == ".xz" else path.read_text("utf-8")
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def merged(kept: list[Json], more: list[Json]) -> list[Json]:
    """Machines, then models by name; the later of two lines of the same model, device and plan counts."""
    machines = {json.dumps(one["about"], sort_keys=True): one for one in [*kept, *more] if "about" in one}
    models = {
        (one["name"], str(one.get("device")), int(one.get("plan") or 0)): one
        for one in [*kept, *more]
        if "name" in one and "works" in one
    }
    named = [{key: value for key, value in models[key].items() if key not in _PLACES} for key in sorted(models)]
    return [*(machines[key] for key in sorted(machines)), *named]


def main() -> None:
    """Add files to what is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raws", type=Path, nargs="+", help="files of JSON lines")
    args = parser.parse_args()
    kept = lines(KEPT) if KEPT.is_file() else []
    both = merged(kept, [one for path in args.raws for one in lines(path)])
    KEPT.parent.mkdir(exist_ok=True)
    text = "".join(json.dumps(one, ensure_ascii=True, sort_keys=True) + "\n" for one in both)
    KEPT.write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{sum('name' in one for one in both)} models, {KEPT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
