"""JSON with the things a plain parser hides: keys that stand twice, and a depth that is cut off."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.anomaly import Anomaly


@dataclass(frozen=True)
class JsonText:
    """A parsed document.

    Attributes:
        value: as Python's `json` gives it (the last of two equal keys wins).
        anomalies: duplicate keys.
    """

    value: Any
    anomalies: tuple[Anomaly, ...]


def read_json(data: bytes, *, depth: int) -> JsonText:
    """Parse a JSON document.

    Args:
        data: UTF-8, UTF-16 or UTF-32, with or without mark.
        depth: deepest nesting that is accepted.

    Raises:
        ContentError: when it is not JSON.
        LimitExceeded: when it is nested deeper than `depth`.
    """
    doubles: list[Anomaly] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(items)
        if len(value) != len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    doubles.append(Anomaly("duplicate-key", f"the key {key[:100]!r} stands twice in one object"))
                seen.add(key)
        return value

    try:
        value = json.loads(data, object_pairs_hook=pairs)
    except RecursionError as error:
        raise LimitExceeded("json_depth", f"JSON nested deeper than {depth} levels") from error
    except (ValueError, MemoryError) as error:
        raise ContentError(f"not JSON: {str(error)[:200]}") from error
    if _deeper(value, depth):
        raise LimitExceeded("json_depth", f"JSON nested deeper than {depth} levels")
    return JsonText(value, tuple(doubles))


def _deeper(value: Any, depth: int) -> bool:
    """Whether containers nest deeper than `depth`."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(depth):
        if not level:
            return False
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, (dict, list))
        ]
    return bool(level)
