"""What a Keras configuration makes a loader build: classes, functions, code and files, from versions 1 to 3.

Input is the parsed JSON of `config.json` (.keras), of the `model_config` and `training_config` attributes (HDF5), of
`keras_metadata.pb`, or of `model.to_json()`. Source: `keras/src/saving/serialization_lib.py` and
`keras/src/legacy/saving/` of Keras 2.15 and 3.11.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any, Final

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.marshalled import CodeObject, read_marshalled

_MAX_NODES: Final = 2_000_000
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9+/]+")
_WINDOW: Final = 1 << 20  # characters in which base64 has to begin
_SHORTEST_CODE: Final = 40  # characters of base64: no code object is shorter
_CODE_PLACES: Final = (".code", ".function[0]", "_shape[0]", ".mask[0]")
_CARRIERS: Final = {  # class → keys below it that hold code and nothing else
    "__lambda__": (".config.code", ".config.value", ".config.value[0]"),
    "Lambda": (".function[0]", ".output_shape[0]", ".mask[0]"),
}
_FILE_KEYS: Final = frozenset(
    (
        "vocabulary",
        "filepath",
        "file_path",
        "filename",
        "path",
        "fname",
        "origin",
        "idf_weights",
        "proto",
        "vocabulary_file",
    )
)
_CODE_BYTE: Final = 0x63  # "c": a marshalled code object, with or without the reference flag


@dataclass(frozen=True, slots=True)
class KerasObject:
    """A class or function that the loader looks up and, for a class, instantiates.

    Attributes:
        place: keys that lead to it, with the layer's name when it has one.
        module: as stated; empty when not stated (Keras 2).
        name: class name, or the function's name.
        function: it is a function, looked up and handed on.
        registered: registered name of a custom object, else empty.
    """

    place: str
    module: str
    name: str
    function: bool
    registered: str = ""


@dataclass(frozen=True, slots=True)
class KerasCode:
    """Python bytecode in the configuration.

    Attributes:
        place: keys that lead to it.
        code: as read; None when it is marshalled code that could not be read.
        problem: why not.
    """

    place: str
    code: CodeObject | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A file that a layer reads when it is built: a vocabulary, a SavedModel."""

    place: str
    owner: str
    key: str
    path: str


@dataclass
class KerasConfig:
    """One configuration."""

    objects: list[KerasObject] = field(default_factory=list)
    code: list[KerasCode] = field(default_factory=list)
    files: list[KerasFile] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)  # of Lambda layers, by place


def is_keras(document: Any) -> bool:
    """Whether parsed JSON is a Keras configuration."""
    if isinstance(document, dict) and isinstance(document.get("class_name"), str):
        return "config" in document
    return isinstance(document, dict) and ("keras_version" in document or "model_config" in document)


def read_keras(document: Any) -> KerasConfig:
    """Walk a parsed configuration.

    Raises:
        LimitExceeded: for more than two million values.
    """
    result = KerasConfig()
    stack: list[tuple[str, Any, str]] = [("", document, "")]
    seen = 0
    while stack:
        place, node, owner = stack.pop()
        seen += 1
        if seen > _MAX_NODES:
            raise LimitExceeded("members", f"a Keras configuration of more than {_MAX_NODES} values")
        if isinstance(node, dict):
            owner = _dictionary(place, node, owner, result)
            stack += [(f"{place}.{key}".lstrip("."), value, owner) for key, value in reversed(node.items())]
        elif isinstance(node, list):
            stack += [(f"{place}[{index}]", value, owner) for index, value in reversed(list(enumerate(node)))]
        elif isinstance(node, str):
            _text(place, owner, node, result)
    return result


def _dictionary(place: str, node: dict[str, Any], owner: str, result: KerasConfig) -> str:
    """Take in one dictionary; gives the class that its contents belong to."""
    name, config = node.get("class_name"), node.get("config")
    if isinstance(name, str):
        module, registered = node.get("module"), node.get("registered_name")
        shown = _shown(place, node, config)
        function = name == "function"
        result.objects.append(
            KerasObject(
                shown,
                module if isinstance(module, str) else "",
                config if function and isinstance(config, str) else name,
                function,
                registered if isinstance(registered, str) else "",
            )
        )
        if name == "Lambda" and isinstance(config, dict):
            _lambda(place, config, result)
        owner = name
    for key, value in node.items():
        if key in _FILE_KEYS and isinstance(value, str) and value:
            result.files.append(KerasFile(place, owner, key, value))
    return owner


def _shown(place: str, node: dict[str, Any], config: Any) -> str:
    name = config.get("name") if isinstance(config, dict) else node.get("name")
    return f"{place or 'model'} ({name})" if isinstance(name, str) else place or "model"


def _lambda(place: str, config: dict[str, Any], result: KerasConfig) -> None:
    """A Lambda layer of Keras 2 that names a function instead of carrying one, and what is handed to it."""
    function, kind = config.get("function"), config.get("function_type")
    if isinstance(function, str) and kind in {"function", None}:
        module = config.get("module")
        result.objects.append(KerasObject(place, module if isinstance(module, str) else "", function, function=True))
    if config.get("arguments"):
        result.arguments[place] = repr(config["arguments"])[:500] if _shallow(config["arguments"]) else "…"


def _shallow(value: Any) -> bool:
    """Whether a value is a plain dictionary of scalars: a deep one would cost stack to print."""
    return isinstance(value, dict) and all(isinstance(v, str | int | float | bool | None) for v in value.values())


def _text(place: str, owner: str, text: str, result: KerasConfig) -> None:
    """Text that is marshalled code, whatever key it stands under."""
    carries = place.endswith(_CARRIERS.get(owner, ()))
    if not carries and len(text) < _SHORTEST_CODE:
        return
    data = _decoded(text)
    if not data or data[0] & 0x7F != _CODE_BYTE:
        if carries:
            result.code.append(KerasCode(place, None, "it is no marshalled code"))
        return
    try:
        code = read_marshalled(data)
    except ContentError as error:
        if carries or place.endswith(_CODE_PLACES):
            result.code.append(KerasCode(place, None, str(error)))
        return
    if isinstance(code, CodeObject):
        result.code.append(KerasCode(place, code))


def _decoded(text: str) -> bytes:
    """As `func_load` does it: base64, whose foreign characters are passed over; where it fails, the characters."""
    raw = text[:1] in {"c", "\u00e3"}  # the code byte, without or with the flag; in base64 it begins with Y or 4
    if not raw and _FOREIGN.sub("", text[:_WINDOW])[:1] not in {"Y", "4"}:
        return b""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode("raw_unicode_escape") if raw else b""
