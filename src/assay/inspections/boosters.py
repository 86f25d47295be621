"""Gradient-boosting models: XGBoost, LightGBM and CatBoost.

What it reads: the structure of XGBoost models in JSON and UBJSON and the head of the old binary form, the parameters of
LightGBM models, the head of CatBoost models.
What it reports: lengths that pass the end of the file, bytes behind the end, parameters that name files elsewhere.
Why it matters: the loaders are native code; parameters of a LightGBM model are taken over when it is trained on.
What it cannot see: the trees. Pickled boosters are inspected as pickles.
References: XGBoost "Introduction to Model IO"; `src/io/config.cpp` of LightGBM; CWE-1284.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.ubjson import read_ubjson

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_PATHS = frozenset(
    (
        "machine_list_filename", "machine_list_file", "output_model", "output_result", "input_model", "convert_model",
        "forcedsplits_filename", "forcedbins_filename", "initscore_filename", "parser_config_file",
    )
)  # fmt: skip
_PARAMETER = re.compile(rb"^\[(\w+): ([^\]\n]*)\]", re.MULTILINE)
_NOTABLE = re.compile(r"\.\.[/\\]|^/(?:etc|proc|root|dev|var)/|/\.\w|^\w+://")
_LIGHTGBM_KEYS = (b"num_class=", b"num_leaves=", b"tree_sizes=")


class Boosters:
    """The inspector `booster`."""

    name = "booster"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """Models of the three libraries."""
        readings = {"xgboost-json", "xgboost-ubj", "xgboost-binary", "lightgbm-text", "catboost"}
        return bool(readings.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read and judge by format."""
        if "xgboost-ubj" in part.formats:
            document = read_ubjson(part.stream, part.size, part.limits)
            if document.trailing:
                _report(out, Severity.LOW, f"{document.trailing} bytes behind the end")
            if "learner" not in document.keys[:20]:
                _report(out, Severity.LOW, "no learner in the model")
        if "catboost" in part.formats:
            _catboost(part, out)
        if "lightgbm-text" in part.formats:
            _lightgbm(part, out)
        if "xgboost-binary" in part.formats and part.size < 200:  # noqa: PLR2004 - the parameter block alone is longer
            raise ContentError("too short for an XGBoost model")


def _report(out: Collector, severity: Severity, message: str) -> None:
    out.finding("booster-structure", severity, Confidence.HIGH, message)


def _catboost(part: Part, out: Collector) -> None:
    """`CBM1`, a length, and that many bytes of FlatBuffer (`catboost/libs/model/model.cpp`)."""
    part.stream.seek(4)
    length = int.from_bytes(part.stream.read(4), "little")
    if 8 + length > part.size:
        _report(out, Severity.MEDIUM, f"states {length} bytes of model and has {part.size - 8}")


def _lightgbm(part: Part, out: Collector) -> None:
    part.stream.seek(0)
    head = part.stream.read(1 << 20)
    if not any(key in head for key in _LIGHTGBM_KEYS):
        _report(out, Severity.LOW, "no trees in the model")
    part.stream.seek(max(0, part.size - (1 << 20)))
    for source in (head, part.stream.read(1 << 20)):
        for name, value in _PARAMETER.findall(source):
            text = value.decode("utf-8", "replace")
            if name.decode() in _PATHS and _NOTABLE.search(text):
                message = f"the parameter {name.decode()} names the file {text[:200]!r}"
                out.finding("booster-file", Severity.MEDIUM, Confidence.MEDIUM, message, path=text[:500])
