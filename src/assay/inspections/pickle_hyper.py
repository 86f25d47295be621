"""What a checkpoint of Lightning names in plain data: an `_instantiator` among its parameters is imported and called.

`load_from_checkpoint` splits the text at its last dot, imports the module and calls the attribute, also when the file
was read with `weights_only`. No opcode does that, so neither reading of the pickle shows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from assay.core.finding import Confidence, Severity
from assay.inspections.code_reference import CodeReference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.inspections.parts import Collector

_KEY = "_instantiator"
_PLAIN = _KEY.encode()
# each character as itself, or as protocol 0 may write it
_WORD = re.compile(b"".join(b"(?:%c|\\\\u00%02x)" % (ord(letter), ord(letter)) for letter in _KEY))
# what follows the key: maybe a memo opcode, then text of any protocol, with a length before it or a line end behind
_TEXT = re.compile(rb"(?:'?\n)?(?:q.|r.{4}|p\d+\n|\x94)?(?:(?:[XT](.{4})|[\x8cU](.))|[VS]'?([^\n']*))", re.DOTALL)
_VALUE = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_NEAR = 400  # bytes behind the key in which its value stands
_CHUNK = 4 << 20
_MOST_BYTES = 256 << 20
_MOST = 20


def instantiators(stream: BinaryIO, size: int) -> Iterator[tuple[int, str]]:
    """(offset, dotted name or empty when it stands elsewhere) of each `_instantiator` in a pickle."""
    position = 0
    while position < min(size, _MOST_BYTES):
        stream.seek(position)
        chunk = stream.read(_CHUNK + _NEAR)
        if _PLAIN in chunk or b"\\u00" in chunk:
            for match in _WORD.finditer(chunk, 0, min(len(chunk), _CHUNK + len(_KEY) * 6)):
                yield position + match.start(), _value(chunk, match.end())
        position += _CHUNK


def _value(chunk: bytes, at: int) -> str:
    text = _TEXT.match(chunk, at)
    if text and text[3] is None:
        length = int.from_bytes(text[1] or text[2], "little")
        value = _VALUE.fullmatch(chunk, text.end(), text.end() + min(length, _NEAR))
    else:
        value = _VALUE.fullmatch(text[3]) if text else None
    return value.group().decode() if value else ""


def judge_instantiators(stream: BinaryIO, size: int, out: Collector) -> None:
    """Report those that are not Lightning's own."""
    for count, (offset, value) in enumerate(instantiators(stream, size)):
        if count >= _MOST:
            return
        if value:
            from assay.inspections.config_judgement import judge_reference  # noqa: PLC0415 - few checkpoints have one

            judge_reference(CodeReference("target", f"hyper_parameters.{_KEY}", value, module=value), out)
            continue
        message = f"{_KEY} among the hyper-parameters, with a value that stands elsewhere, is imported and called"
        out.finding("config-target", Severity.MEDIUM, Confidence.MEDIUM, message, offset=offset)
