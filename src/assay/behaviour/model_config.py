"""What stands in a model's config.json, as far as probes need it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.core.inspector import Subject

_CONFIG_BYTES = 1 << 20


def config_of(model: Subject) -> dict[str, Any]:
    """The model's config.json; empty where there is none that can be read."""
    entry = next((one for one in model.snapshot.files if one.path == "config.json"), None)
    if entry is None or entry.size > _CONFIG_BYTES:
        return {}
    try:
        with model.files.open("config.json") as stream:
            value = json.loads(stream.read())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def labels_of(config: dict[str, Any]) -> tuple[str, ...]:
    """The model's names of its classes, in their order."""
    names = config.get("id2label")
    if not isinstance(names, dict):
        return ()
    ordered = [names.get(str(index)) for index in range(len(names))]
    return tuple(str(name)[:200] for name in ordered)
