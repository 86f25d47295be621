"""XML as a stream of elements, without ever following an entity.

The parser stops at the first entity that the document declares: what stands behind it is not read. Nothing outside the
document is opened. Source: XML 1.0, section 4; the rules of `defusedxml`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final
from xml.parsers import expat

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from assay.core.limits import Limits

Element = tuple[str, dict[str, str], int]  # name without namespace prefix, attributes, line
_CHUNK: Final = 1 << 16
_MAX_DEPTH: Final = 1_000
_MAX_KEPT: Final = 100


@dataclass
class XmlText:
    """What a document declares beside its elements.

    Attributes:
        doctype: system identifier of the document type, empty when it has none; `None` without a document type.
        entities: (name, what it stands for) of declared entities; external ones begin with `SYSTEM `.
        instructions: processing instructions.
        stopped: an entity was declared, and what stands behind it was not read.
        elements: number of elements.
    """

    doctype: str | None = None
    entities: list[tuple[str, str]] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)
    stopped: bool = False
    elements: int = 0


class _StopReadingError(Exception):
    """An entity was declared."""


class _Handlers:
    """What the parser calls."""

    def __init__(self, parser: expat.XMLParserType, limits: Limits, visit: Callable[[Element], None]) -> None:
        self.result = XmlText()
        self._parser = parser
        self._limits = limits
        self._visit = visit
        self._depth = 0
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.StartDoctypeDeclHandler = self.doctype
        parser.EndDoctypeDeclHandler = self.doctype_end
        parser.EntityDeclHandler = self.entity
        parser.ProcessingInstructionHandler = self.instruction

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self.result.elements += 1
        if self._depth > _MAX_DEPTH:
            raise LimitExceeded("depth", f"XML nested deeper than {_MAX_DEPTH} levels")
        if self.result.elements > self._limits.members * 50:
            raise LimitExceeded("members", f"more than {self._limits.members * 50} XML elements")
        self._visit((name.rpartition(":")[2], attributes, self._parser.CurrentLineNumber))

    def end(self, _name: str) -> None:
        self._depth -= 1

    def doctype(self, _name: str, system: str | None, public: str | None, _subset: bool) -> None:
        self.result.doctype = system or public or ""

    def doctype_end(self) -> None:
        if self.result.entities:
            raise _StopReadingError

    def entity(
        self, name: str, _parameter: bool, value: str | None, _base: str | None, system: str | None, *_: str | None
    ) -> None:
        self.result.entities.append((name[:100], f"SYSTEM {system}"[:500] if value is None else value[:500]))
        if len(self.result.entities) >= _MAX_KEPT:
            raise _StopReadingError

    def instruction(self, target: str, data: str) -> None:
        if len(self.result.instructions) < _MAX_KEPT:
            self.result.instructions.append(f"{target} {data}"[:500])


def read_xml(stream: BinaryIO, limits: Limits, visit: Callable[[Element], None]) -> XmlText:
    """Parse a document; `visit` is called with each element as it begins.

    Raises:
        ContentError: when it is not well formed.
        LimitExceeded: past depth or number of elements.
    """
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    result = _Handlers(parser, limits, visit).result
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except _StopReadingError:
        result.stopped = True
    except (expat.ExpatError, ValueError, LookupError) as error:
        if not result.entities:
            msg = f"not well-formed XML: {str(error)[:200]}"
            raise ContentError(msg) from error
        result.stopped = True
    return result
