"""Thresholds measured on clean models: per probe, architecture class and budget, each with the error rate it had."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

PHRASE = "/phrase"
_FOLDER = "data"
REACH = 1.25  # a search that may go on for longer finds more in clean models: no threshold holds beyond this


@dataclass(frozen=True)
class Calibration:
    """What is known about one architecture class.

    Attributes:
        architecture: the class.
        version: of the data; empty when nothing was ever measured.
        known: whether this very class was measured, at this budget or a larger one.
        entries: probe to (threshold, false-positive rate on the clean models it was taken from); of candidates of
            several words under the name with `PHRASE` behind it, where these were measured apart.
    """

    architecture: str
    version: str
    known: bool
    entries: dict[str, tuple[float, float | None]]

    def threshold(self, probe: str, *, phrase: bool = False) -> tuple[float, float | None] | None:
        """Threshold and error rate of a probe, for one word or for several; None when it was never measured."""
        return (self.entries.get(probe + PHRASE) if phrase else None) or self.entries.get(probe)

    @classmethod
    def of(cls, architecture: str, budget: float) -> Calibration:
        """The entries of a class at the nearest budget that is not much smaller than this one."""
        own: dict[str, tuple[float, float | None]] = {}
        version = ""
        for document in _documents():
            version = max(version, str(document["version"]))
            reaching = [one for one in document["entries"] if float(one["budget"]) * REACH >= budget]
            for entry in sorted(reaching, key=lambda one: -float(one["budget"])):
                if entry["architecture"] == architecture:
                    own[entry["probe"]] = float(entry["threshold"]), entry.get("false_positive_rate")
        return cls(architecture, version, bool(own), own)


@cache
def _documents() -> tuple[dict[str, Any], ...]:
    folder = files("assay.behaviour").joinpath(_FOLDER)
    if not folder.is_dir():
        return ()
    found = [json.loads(one.read_text("utf-8")) for one in folder.iterdir() if one.name.endswith(".json")]
    return tuple(one for one in found if one.get("schema") == "assay.calibration/v1")
