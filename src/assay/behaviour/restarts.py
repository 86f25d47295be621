"""A search begun several times, each from a seed of its own: its answers as one."""

from __future__ import annotations

from typing import Any


def merged(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """One answer of all restarts: every candidate, and what they cost together."""
    first = answers[0]
    if len(answers) == 1:
        return first
    sums = {key: sum(_number(one.get(key)) for one in answers) for key in ("seconds", "passes", "confirmed")}
    seeds = sum(_number(one.get("facts", {}).get("seeds")) for one in answers)
    return {
        **first,
        **sums,
        "candidates": [each for one in answers for each in one.get("candidates", [])],
        "facts": {**first.get("facts", {}), "seeds": seeds, "restarts": len(answers)},
    }


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0
