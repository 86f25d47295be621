"""PaddlePaddle programs (`.pdmodel`): operators with their text attributes. Source: `framework.proto` of Paddle 3."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from assay.core.errors import ContentError
from assay.formats.protobuf import BYTES, Message

if TYPE_CHECKING:
    from collections.abc import Container

    from assay.core.limits import Limits

_MAX_KEPT: Final = 1_000


@dataclass
class Paddle:
    """One program.

    Attributes:
        operators: type to count.
        texts: (operator, attribute, text) of the operators asked for.
    """

    operators: Counter[str] = field(default_factory=Counter)
    texts: list[tuple[str, str, str]] = field(default_factory=list)


def read_paddle(stream: BinaryIO, size: int, limits: Limits, keep: Container[str]) -> Paddle:
    """Read a program.

    Raises:
        ContentError: when it is no protobuf, or has no block.
    """
    message, result = Message(stream, size, limits), Paddle()
    blocks = 0
    for block in message.fields():
        if block.number != 1 or block.wire != BYTES:
            continue
        blocks += 1
        for operator in message.of(block):
            if operator.number != 4 or operator.wire != BYTES:  # noqa: PLR2004 - ops
                continue
            parts = [f for f in message.of(operator) if f.wire == BYTES]
            kind = next((message.text(f, 200) for f in parts if f.number == 3), "")  # noqa: PLR2004 - type
            result.operators[kind] += 1
            for attribute in parts if kind in keep else ():
                if attribute.number != 4:  # noqa: PLR2004 - attrs
                    continue
                texts = {f.number: f for f in message.of(attribute) if f.wire == BYTES}
                if 1 in texts and 5 in texts and len(result.texts) < _MAX_KEPT:  # noqa: PLR2004 - name, s
                    result.texts.append((kind, message.text(texts[1], 200), message.text(texts[5], 1000)))
    if not blocks:
        msg = "a Paddle program without block"
        raise ContentError(msg)
    return result
