"""Thresholds measured on clean models: per probe, architecture class and budget, each with the error rate it had."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_FOLDER = "data"


@dataclass(frozen=True)
class Calibration:
    """What is known about one architecture class.

    Attributes:
        architecture: the class.
        version: of the data; empty when nothing was ever measured.
        known: whether this very class was measured; else the thresholds of all classes together stand in.
        entries: probe to (threshold, false-positive rate on the clean models it was taken from).
    """

    architecture: str
    version: str
    known: bool
    entries: dict[str, tuple[float, float | None]]

    def threshold(self, probe: str) -> tuple[float, float | None] | None:
        """Threshold and error rate of a probe; None when it was never measured."""
        return self.entries.get(probe)

    @classmethod
    def of(cls, architecture: str, budget: float) -> Calibration:
        """The entries of a class at the nearest budget; of `any` where the class has none."""
        own: dict[str, Any] = {}
        common: dict[str, Any] = {}
        version = ""
        for document in _documents():
            version = max(version, str(document["version"]))
            for entry in sorted(document["entries"], key=lambda one: -abs(float(one["budget"]) - budget)):
                told = (float(entry["threshold"]), entry.get("false_positive_rate"))
                if entry["architecture"] == architecture:
                    own[entry["probe"]] = told
                elif entry["architecture"] == "any":
                    common[entry["probe"]] = told
        return cls(architecture, version, bool(own), common | own)


@cache
def _documents() -> tuple[dict[str, Any], ...]:
    folder = files("assay.behaviour").joinpath(_FOLDER)
    if not folder.is_dir():
        return ()
    found = [json.loads(one.read_text("utf-8")) for one in folder.iterdir() if one.name.endswith(".json")]
    return tuple(one for one in found if one.get("schema") == "assay.calibration/v1")
