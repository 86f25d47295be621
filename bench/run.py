"""`make bench`: every ratio in one run, written into docs/benchmarks.md; losses included."""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from limits import bench_large, bench_scan, bench_start, bench_vet
from sandbox import bench_sandbox
from serving import bench_serving
from yardstick import ROOT, Row, replace_section

GB = 1_000_000_000
HEAD = "| what | ours | yardstick, same run | its figure | ratio | asked | met |\n|---|---|---|---|---|---|---|\n"


def main() -> None:
    """Run what was asked for and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="fraction of the full sizes (for a quick look; not written)"
    )
    parser.add_argument(
        "--only", choices=("scan", "large", "start", "vet", "serve", "sandbox"), help="one part (not written)"
    )
    parser.add_argument("--write", action="store_true", help="with `--only large`: write that part all the same")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(ROOT / "src" / "assay", quiet=1)  # as pip installs it
    parts = {
        "start": lambda _: bench_start(),
        "scan": lambda work: bench_scan(work, int(3 * GB * args.scale)),
        "large": lambda work: bench_large(work, int(10 * GB * args.scale)),
        "vet": lambda work: bench_vet(work, int(GB * args.scale)),
        "serve": lambda work: bench_serving(work, int(GB * args.scale)),
        "sandbox": bench_sandbox,
    }
    rows: dict[str, list[Row]] = {"core": [], "large": []}
    for name, part in parts.items():
        if args.only in {None, name}:
            with tempfile.TemporaryDirectory(prefix="assay-bench-") as work:
                section = rows["large" if name == "large" else "core"]
                section += part(Path(work))
                print(section[-1].markdown(), flush=True)
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    for section_name, section in rows.items():
        table = HEAD + "\n".join(row.markdown() for row in section)
        print(table)
        if args.scale == 1.0 and section and (args.only is None or (args.only == section_name and args.write)):
            replace_section(section_name, f"Measured {made} on {machine}; medians.\n\n{table}")


if __name__ == "__main__":
    main()
