"""Bundles for serving: NeMo archives and TorchServe archives.

What it reads: the configuration in a NeMo archive (`target` entries), the manifest of a TorchServe archive.
What it reports: classes and functions that a configuration names, handlers and files that a manifest names.
Why it matters: restoring a NeMo model imports and builds what `target` names; TorchServe runs the handler.
What it cannot see: code of the archive is inspected as code, its checkpoints as pickles.
References: `nemo/core/classes/common.py` (`Serialization.from_config_dict`); TorchServe "Model archiver";
CVE-2023-43654.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_TARGET = re.compile(
    r"^\s*-?\s*['\"]?(target|cls|class_path|_target_)['\"]?\s*:\s*['\"]?([A-Za-z_][\w.]*)", re.MULTILINE
)
_OWN = (
    "nemo.",
    "torch.",
    "pytorch_lightning.",
    "lightning.",
    "omegaconf.",
    "nemo_text_processing.",
    "megatron.",
    "transformers.",
)
_BUILT_IN_HANDLERS = frozenset(
    ("image_classifier", "object_detector", "text_classifier", "image_segmenter", "text_generation")
)
_OUTSIDE = re.compile(r"^(?:/|\\|~|[A-Za-z]:|\w+://)|(?:^|[/\\])\.\.(?:[/\\]|$)")


class Bundles:
    """The inspector `bundle`."""

    name = "bundle"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """The archives, and the files in them that steer the loader."""
        if {"nemo", "mar"}.intersection(part.formats):
            return True
        if "yaml" in part.formats and bool(part.inner):
            return True
        return part.name == "MAR-INF/MANIFEST.json"

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Judge configuration or manifest; of the archives, the members."""
        if part.name != "MAR-INF/MANIFEST.json" and "yaml" not in part.formats:
            return
        data = part.read_all(part.limits.text_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.text_bytes} bytes")
        elif "yaml" in part.formats:
            _targets(data.decode("utf-8", "replace"), out)
        else:
            _manifest(data, part, out)


def _targets(text: str, out: Collector) -> None:
    from assay.sourcecode.table import kinds_of, table  # noqa: PLC0415 - few archives name a class

    for match in _TARGET.finditer(text):
        key, target = match.groups()
        if "." not in target or target.startswith(_OWN) or key == "_target_":
            continue  # `_target_` is the business of the inspector of configuration files
        line = text.count("\n", 0, match.start()) + 1
        reaches = bool(kinds_of(target)) or target.split(".")[0] in table().modules
        severity = Severity.CRITICAL if reaches else Severity.MEDIUM
        message = f"{key}: {target} is imported and called when the model is restored"
        out.finding("bundle-target", severity, Confidence.MEDIUM, message, line=line, call=target)


def _manifest(data: bytes, part: Part, out: Collector) -> None:
    try:
        document = read_json(data, depth=part.limits.json_depth).value
    except ContentError:
        return  # the inspector of configuration files reports it
    model = document.get("model") if isinstance(document, dict) else None
    for key, value in model.items() if isinstance(model, dict) else ():
        if not isinstance(value, str):
            continue
        if _OUTSIDE.search(value):
            message = f"the manifest names {value[:200]!r} ({key}), outside the archive"
            out.finding("bundle-file", Severity.HIGH, Confidence.HIGH, message, path=value, key=key)
        elif key == "handler" and value.partition(".")[0] not in _BUILT_IN_HANDLERS:
            message = f"the server runs the handler {value[:200]!r}"
            out.finding("bundle-handler", Severity.LOW, Confidence.HIGH, message, path=value)
