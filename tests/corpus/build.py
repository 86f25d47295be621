"""Write the corpus: `python -m tests.corpus.build OUT [--marker-directory DIR] [--frameworks DIR]`.

The same arguments give the same bytes, except for the files that real frameworks write (zip and gzip times).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import (
    archives_hidden,
    archives_joblib,
    archives_other,
    archives_torch,
    formats_code,
    formats_config,
    formats_config_run,
    formats_hdf5,
    formats_keras,
    formats_programs,
    formats_python,
    formats_serialised,
    formats_small,
    formats_weights,
    pickle_allowed,
    pickle_direct,
    pickle_files,
    pickle_frameworks,
    pickle_holes,
    pickle_indirect,
    pickle_names,
    pickle_opcodes,
    pickle_streams,
    pickle_tools,
    pickle_torch,
)
from .sample import HARMLESS, Kit, Sample

MARKERS = "/tmp/assay-markers"
HOSTILE = (
    pickle_direct,
    pickle_tools,
    pickle_files,
    pickle_indirect,
    pickle_opcodes,
    pickle_names,
    pickle_streams,
    pickle_torch,
    pickle_frameworks,
    pickle_allowed,
    pickle_holes,
    archives_torch,
    archives_joblib,
    archives_other,
    archives_hidden,
    formats_code,
    formats_config,
    formats_config_run,
    formats_programs,
    formats_python,
    formats_serialised,
    formats_small,
    formats_hdf5,
    formats_keras,
    formats_weights,
)


def hostile_samples() -> list[Sample]:
    """Every hostile or broken sample, checked for unique paths."""
    samples = [sample for module in HOSTILE for sample in module.samples()]
    paths = [sample.path for sample in samples]
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        msg = f"two samples share a path: {sorted(twice)}"
        raise ValueError(msg)
    return samples


def write(samples: list[Sample], out: Path, markers: str = MARKERS) -> list[dict[str, Any]]:
    """Write files and return the manifest's entries."""
    entries = []
    for sample in samples:
        if sample.builder and find_spec(sample.builder) is None:
            entries.append({**entry(sample, ""), "absent": f"{sample.builder} is not installed"})
            continue
        kit = Kit(f"{markers}/{sample.name}")
        target = out / sample.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(sample.make(kit))
        for name, make in sample.extra.items():
            beside = target.parent / name
            beside.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(make(kit))
        entries.append(entry(sample, kit.path))
    return entries


def write_harmless(
    out: Path, pythons: list[str], frameworks: str = "", markers: str = MARKERS
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Let each interpreter write what its frameworks can make.

    Args:
        out: the corpus; files go to `harmless/<framework>-<version>/`.
        pythons: interpreters; a framework and version that an earlier one has written is not repeated.
        frameworks: comma-separated names, or nothing for all.
        markers: as for the hostile samples; nothing may ever appear there.

    Returns:
        Entries of the manifest, and what is absent with the reason.
    """
    entries: dict[str, dict[str, Any]] = {}
    absent: dict[str, str] = {}
    for python in pythons:
        command = [
            python,
            "-W",
            "ignore",
            "-m",
            "harmless",
            str(out / "harmless"),
            *([frameworks] if frameworks else []),
        ]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "KERAS_BACKEND": "torch"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            msg = f"{python} -m harmless: {done.stderr[-2000:]}"
            raise RuntimeError(msg)
        made = json.loads(done.stdout.splitlines()[-1])
        for item in made["written"]:
            path = f"harmless/{item['path']}"
            sample = Sample(path, item["technique"], HARMLESS, bytes, loader=item["loader"], needs=tuple(item["needs"]))
            entries.setdefault(path, {**entry(sample, f"{markers}/{sample.name}"), "python": python})
        absent |= {f"{framework} ({python})": reason for framework, reason in made["absent"].items()}
    return list(entries.values()), absent


def entry(sample: Sample, marker: str) -> dict[str, Any]:
    """One line of the manifest."""
    return {
        "path": sample.path,
        "technique": sample.technique,
        "reference": sample.reference,
        "expected": sample.expected,
        "calls": list(sample.calls),
        "loader": sample.loader,
        "needs": list(sample.needs),
        "unloaded": sample.unloaded,
        "listens": sample.listens,
        "folder": bool(sample.extra),
        "marker": marker,
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Write the attack corpus.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--marker-directory", default=MARKERS)
    parser.add_argument("--python", action="append", default=[], help="a further interpreter with frameworks")
    args = parser.parse_args()
    entries = write(hostile_samples(), args.out, args.marker_directory)
    harmless, absent = write_harmless(args.out, [sys.executable, *args.python], markers=args.marker_directory)
    manifest = {"files": entries + harmless, "absent": absent}
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{len(entries)} hostile or broken and {len(harmless)} harmless files in {args.out}")


if __name__ == "__main__":
    main()
