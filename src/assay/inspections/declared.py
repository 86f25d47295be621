"""What a model says about its parents: bases and data sets in the card, the base of an adapter. Claims, no more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.formats.json_text import read_json
from assay.formats.yaml_text import read_yaml

if TYPE_CHECKING:
    from assay.core.inspector import Subject

_CARD_BYTES = 4 << 20
_DEPTH = 16
_MOST = 100  # of each kind
_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Declared:
    """Claims about parents.

    Attributes:
        bases: names of the models that it comes from, as written.
        relation: `finetune`, `adapter`, `quantized`, `merge`, or empty.
        datasets: names of its data sets.
        adapter: it is an adapter: weights beside those of the base, not changed ones.
    """

    bases: tuple[str, ...]
    relation: str
    datasets: tuple[str, ...]
    adapter: bool

    def to_json(self) -> dict[str, Any]:
        """As evidence has it."""
        return {
            "bases": list(self.bases),
            "relation": self.relation,
            "datasets": list(self.datasets),
            "adapter": self.adapter,
        }


def read_declared(subject: Subject) -> Declared:
    """The claims of a model; empty where there are none, or none that can be read."""
    card, adapter = _card(subject), _adapter(subject)
    bases = [*_texts(card.get("base_model")), *_texts(adapter.get("base_model_name_or_path"))]
    relation = card.get("base_model_relation")
    return Declared(
        tuple(dict.fromkeys(bases))[:_MOST],
        relation[:50] if isinstance(relation, str) else "adapter" if adapter else "",
        tuple(dict.fromkeys(_texts(card.get("datasets"))))[:_MOST],
        bool(adapter) or relation == "adapter",
    )


def _card(subject: Subject) -> dict[str, Any]:
    text = _read(subject, "README.md").decode("utf-8", "replace")
    front = _FRONT.match(text)
    if front is None:
        return {}
    try:
        value = read_yaml(front[1], depth=_DEPTH, first_line=2).value
    except ContentError:
        return {}
    return value if isinstance(value, dict) else {}


def _adapter(subject: Subject) -> dict[str, Any]:
    data = _read(subject, "adapter_config.json")
    try:
        value = read_json(data, depth=_DEPTH).value if data else {}
    except ContentError:
        return {}
    return value if isinstance(value, dict) else {}


def _read(subject: Subject, path: str) -> bytes:
    entry = subject.snapshot.entry(path)
    if entry is None or entry.size > _CARD_BYTES:
        return b""
    with subject.files.open(path) as stream:
        return stream.read(_CARD_BYTES)


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item.strip()[:300] for item in items if isinstance(item, str) and item.strip()]
