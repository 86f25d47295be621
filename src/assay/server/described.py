"""What clients ask to be told of a card, a configuration and weights, as far as the bill of materials knows. Pure.

No file is opened: a bill was written when the model was vetted, from what a confined reader found.
"""

from __future__ import annotations

from typing import Any, Final

KEYS: Final = frozenset({"cardData", "config", "safetensors"})  # values of `expand`
_OF_A_CARD: Final = {"license": "licence", "pipeline_tag": "task", "language": "languages", "datasets": "datasets"}


def described(body: dict[str, Any]) -> dict[str, Any]:
    """`cardData`, `config` and `safetensors` as the public hub writes them; what is not known is left out.

    Args:
        body: the record of a bill of materials, as JSON.
    """
    values = {key: field.get("value") for key, field in body.get("fields", {}).items() if isinstance(field, dict)}
    card = {word: value for word, key in _OF_A_CARD.items() if (value := values.get(key))}
    if bases := [one["name"] for one in body.get("parents", []) if one.get("name")]:
        card["base_model"] = bases
    architecture = values.get("architecture")
    config = architecture if isinstance(architecture, dict) else {}
    made: dict[str, Any] = {"cardData": card} if card else {}
    if told := {key: config[key] for key in ("architectures", "model_type") if config.get(key)}:
        made["config"] = told
    types = values.get("types")
    if isinstance(types, dict) and any(one["path"].endswith(".safetensors") for one in body.get("files", [])):
        made["safetensors"] = {"parameters": types, "total": sum(types.values())}
    return made
