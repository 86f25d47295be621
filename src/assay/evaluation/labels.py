"""Labels of the data and outputs of the model, brought together without guessing.

In this order, and for all labels of the data at once: the suite's own `[labels]`; the model's names (`id2label`), first
as written, then without case and punctuation; whole numbers as output indices.
"""

from __future__ import annotations

from typing import Any

from assay.core.errors import ContentError
from assay.evaluation.names import squeeze


def id_to_label(config: Any) -> dict[int, str]:
    """The model's names by output index, from its `config.json`; empty when it has none."""
    table = config.get("id2label") if isinstance(config, dict) else None
    found: dict[int, str] = {}
    for key, name in table.items() if isinstance(table, dict) else ():
        if str(key).isdecimal() and isinstance(name, str):
            found[int(key)] = name
    return found


def class_indices(labels: list[Any], names: dict[int, str], own: dict[str, int]) -> tuple[tuple[int, ...], str]:
    """Output index of each label, and which rule gave it.

    Args:
        labels: of the data, in order.
        names: the model's.
        own: the suite's `[labels]`; wins.

    Raises:
        ContentError: when no rule gives every label an index of its own.
    """
    texts = [_text(label) for label in labels]
    different = sorted(set(texts))
    rules = (
        ("suite", dict(own)),
        ("id2label", {name: index for index, name in names.items()}),
        ("id2label, case ignored", {squeeze(name): index for index, name in names.items()}),
        ("index", {text: int(text) for text in different if text.isdecimal()}),
    )
    for rule, table in rules:
        if not table or (own and rule != "suite"):
            continue
        key = squeeze if rule.endswith("ignored") else str
        found = {text: table.get(key(text)) for text in different}
        if None not in found.values() and len(set(found.values())) == len(different):
            return tuple(int(found[text] or 0) for text in texts), rule
    known = ", ".join(repr(name) for name in list(names.values())[:6]) or "none"
    raise ContentError(f"the labels {', '.join(different[:4])} of the data are none of the model's ({known})")


def _text(label: Any) -> str:
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label).strip()
