"""Which tasks a model is said to do: by the class in its configuration and by its card. Both are claims, both count.

Whoever declares another class than the one that is used, or another task than the card advertises, is not waved
through: a task that either names is probed, or said to be one that nothing here can probe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.behaviour.kinds import IMAGE, LANGUAGE, TEXT, kind_of
from assay.core.errors import AssayError

if TYPE_CHECKING:
    from assay.core.inspector import Subject

TASK_OF = {TEXT: "text-classification", IMAGE: "image-classification", LANGUAGE: "text-generation"}
CARD = "README.md"
_MOST_BYTES = 1 << 20
_DEPTH = 20  # of nesting in a front matter
_ALIASES = {"sentiment-analysis": "text-classification", "conversational": "text-generation"}


def card_of(model: Subject) -> dict[str, Any]:
    """Front matter of the card; empty where there is none that can be read."""
    entry = model.snapshot.entry(CARD)
    if entry is None or entry.size > _MOST_BYTES:
        return {}
    with model.files.open(CARD) as stream:
        text = stream.read().decode("utf-8", "replace")
    head, mark, _ = text.removeprefix("---").partition("\n---")
    if not text.startswith("---") or not mark:
        return {}
    from assay.formats.yaml_text import read_yaml  # noqa: PLC0415 - PyYAML, when there is YAML

    try:
        value = read_yaml(head, depth=_DEPTH, first_line=2).value
    except AssayError:
        return {}
    return value if isinstance(value, dict) else {}


def tasks_of(model: Subject, config: dict[str, Any]) -> frozenset[str]:
    """Every task that configuration or card name."""
    card = card_of(model)
    tags = card.get("tags")
    said = [card.get("pipeline_tag"), *(tags if isinstance(tags, list) else [])]
    named = {_ALIASES.get(one, one) for one in said if isinstance(one, str)} & {*TASK_OF.values()}
    kind = kind_of(config)
    return frozenset(named | ({TASK_OF[kind]} if kind else set()))


def names_a_class(config: dict[str, Any]) -> bool:
    """Whether a configuration names any class: without one nobody can tell the task."""
    return any(isinstance(one, str) and one for one in _list(config.get("architectures")))


def parents_of(model: Subject) -> frozenset[str]:
    """What the card says the model was made from."""
    value = card_of(model).get("base_model")
    return frozenset(one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
