"""Core ML models: which kinds they are made of, custom classes, and files that they name.

Source: `Model.proto`, `NeuralNetwork.proto`, `CustomModel.proto`, `LinkedModel.proto` and `MIL.proto` of coremltools 8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.protobuf import BYTES, Field, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits

_PIPELINES: Final = frozenset((200, 201, 202))
_NETWORKS: Final = frozenset((303, 403, 500))
_CUSTOM_MODEL, _LINKED_MODEL, _ML_PROGRAM = 555, 556, 502
_CUSTOM_LAYER: Final = 500  # NeuralNetworkLayer.custom
_MAX_MODELS: Final = 10_000
_BLOB: Final = b"@model_path/"


@dataclass
class CoreMl:
    """One model.

    Attributes:
        version: of the specification.
        kinds: field numbers of the model types in it, pipelines opened.
        custom: class names of custom models and layers.
        linked: names of linked models.
        files: weight files that an ML program names.
    """

    version: int = 0
    kinds: list[int] = field(default_factory=list)
    custom: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def read_coreml(stream: BinaryIO, size: int, limits: Limits) -> CoreMl:
    """Read a model.

    Raises:
        ContentError: when it is no protobuf, or of no kind.
        LimitExceeded: for more than ten thousand models in pipelines.
    """
    message, result = Message(stream, size, limits), CoreMl()
    waiting = [Field(0, BYTES, 0, size)]
    while waiting:
        for item in message.of(waiting.pop()):
            if item.number == 1 and item.wire != BYTES:
                result.version = result.version or item.value
            elif item.wire == BYTES and item.number >= 200:  # noqa: PLR2004 - the model types
                result.kinds.append(item.number)
                if len(result.kinds) > _MAX_MODELS:
                    raise LimitExceeded("members", f"more than {_MAX_MODELS} models")
                waiting += _kind(message, item, result)
    if not result.kinds:
        msg = "a Core ML model of no kind"
        raise ContentError(msg)
    return result


def _kind(message: Message, item: Field, result: CoreMl) -> list[Field]:
    """Take in one model type; gives the models inside a pipeline."""
    if item.number in _PIPELINES:
        inner = [f for f in message.of(item) if f.wire == BYTES and f.number == 1]
        if item.number == 202:  # noqa: PLR2004 - the pipeline itself: its first field are the models
            return inner
        return [f for part in inner for f in message.of(part) if f.wire == BYTES and f.number == 1]
    if item.number in _NETWORKS:
        layers = (f for f in message.of(item) if f.number == 1 and f.wire == BYTES)
        result.custom += [name for layer in layers for name in _custom(message, layer)]
    elif item.number == _CUSTOM_MODEL:
        result.custom += [message.text(f, 500) for f in message.of(item) if f.number == 10 and f.wire == BYTES]  # noqa: PLR2004
    elif item.number == _LINKED_MODEL:
        result.linked += [message.text(f, 500) for f in message.of(item) if f.wire == BYTES]
    elif item.number == _ML_PROGRAM:
        result.files += sorted(set(_files(message, item)))
    return []


def _custom(message: Message, layer: Field) -> Iterator[str]:
    for item in message.of(layer):
        if item.number == _CUSTOM_LAYER and item.wire == BYTES:
            yield from (message.text(f, 500) for f in message.of(item) if f.number == 10 and f.wire == BYTES)  # noqa: PLR2004


def _files(message: Message, program: Field) -> Iterator[str]:
    """Names of blob files, by their look: they stand deep in values of operations."""
    data = message.data(program)
    start = data.find(_BLOB)
    while start >= 0:
        end = start
        while end < len(data) and end - start < 300 and 32 <= data[end] < 127:  # noqa: PLR2004 - printable
            end += 1
        yield data[start:end].decode("ascii")
        start = data.find(_BLOB, end)
