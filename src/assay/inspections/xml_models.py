"""Models in XML: PMML and OpenVINO.

What it reads: elements and attributes, document types and entities, the weights file that belongs to an OpenVINO model.
What it reports: entities (nothing is opened or expanded), functions of a PMML document that name classes, scripts in
extensions, OpenVINO layers of other libraries, weights that lie outside their file.
Why it matters: parsers that follow entities read files and send requests, or fill memory; evaluators of PMML look up
functions by class name.
What it cannot see: what stands behind a declared entity: it is left unread.
References: CWE-611, CWE-776; https://dmg.org/pmml/v4-4-1/Functions.html; OpenVINO IR opset specifications.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.xml_text import read_xml

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.formats.xml_text import Element, XmlText
    from assay.inspections.parts import Collector, Part

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
_CLASS_NAME = re.compile(r"(?:java|javax|sun|com|org|net|io|groovy|python)\.[\w.$]+")
_REACHES = re.compile(
    r"Runtime|ProcessBuilder|ScriptEngine|ClassLoader|java\.(?:io|nio|net|lang\.reflect)|exec\b|system\b"
)
_SCRIPT = re.compile(
    r"<script|javascript:|Runtime\.getRuntime|ProcessBuilder|os\.system|subprocess|\beval\(|#!/|/bin/(?:ba)?sh"
)
_OPSET = re.compile(r"opset\d+|gpu_opset|type_relaxed_opset|legacy|experimental|")


class XmlModels:
    """The inspector `xml-model`."""

    name = "xml-model"
    version = "1"

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def begin(self, subject: Subject, out: Collector) -> None:
        """Note the files: an OpenVINO model has its weights beside it."""
        del out
        self._sizes = {entry.path: entry.size for entry in subject.snapshot.files}

    def wants(self, part: Part) -> bool:
        """PMML, OpenVINO, and any other XML for its entities."""
        return bool({"pmml", "openvino", "xml", "svg"}.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Parse once, judge elements as they come."""
        reader = _Elements(out)
        document = read_xml(part.stream, part.limits, reader.visit)
        _entities(document, out)
        if "openvino" in part.formats:
            self._openvino(part, reader, out)
        if document.stopped:
            out.incomplete("what stands behind the declared entities was not read")

    def _openvino(self, part: Part, reader: _Elements, out: Collector) -> None:
        if reader.foreign:
            message = f"layers that need a library: {', '.join(sorted(reader.foreign)[:8])}"
            out.finding("xml-custom-layer", _LOW, Confidence.HIGH, message, layers=sorted(reader.foreign)[:100])
        weights = posixpath.splitext(part.path)[0] + ".bin"
        if part.inner or weights not in self._sizes:
            return
        out.claim(weights)
        if reader.reach > self._sizes[weights]:
            message = f"constants reach to byte {reader.reach} of {weights!r}, which has {self._sizes[weights]}"
            out.finding("xml-weights", _MEDIUM, Confidence.HIGH, message)


class _Elements:
    """Judges elements as they come."""

    def __init__(self, out: Collector) -> None:
        self._out = out
        self.foreign: set[str] = set()
        self.reach = 0

    def visit(self, element: Element) -> None:
        """One element begins."""
        name, attributes, line = element
        function = attributes.get("function", "") if name == "Apply" else ""
        if function and _CLASS_NAME.match(function):
            severity = _HIGH if _REACHES.search(function) else _MEDIUM
            message = f"the function {function[:200]!r} names a class"
            self._out.finding("pmml-function", severity, Confidence.HIGH, message, line=line, call=function[:300])
        elif name == "Extension":
            self._extension(attributes, line)
        elif name == "layer" and not _OPSET.fullmatch(attributes.get("version", "")):
            self.foreign.add(f"{attributes.get('version', '')}::{attributes.get('type', '')}"[:100])
        elif name == "data" and "offset" in attributes and "size" in attributes:
            offset, size = attributes["offset"], attributes["size"]
            if offset.isdecimal() and size.isdecimal() and len(offset + size) < 40:  # noqa: PLR2004
                self.reach = max(self.reach, int(offset) + int(size))
        elif name == "include" and "href" in attributes:
            message = f"takes in {attributes['href'][:200]!r}"
            self._out.finding(
                "xml-entity", _HIGH, Confidence.MEDIUM, message, line=line, target=attributes["href"][:500]
            )

    def _extension(self, attributes: dict[str, str], line: int) -> None:
        text = " ".join(attributes.values())
        if _SCRIPT.search(text):
            message = f"an extension holds code: {text[:200]!r}"
            self._out.finding("pmml-function", _MEDIUM, Confidence.MEDIUM, message, line=line, call=text[:300])


def _entities(document: XmlText, out: Collector) -> None:
    for name, value in document.entities[:20]:
        external = value.startswith("SYSTEM ")
        origin = f"is taken from {value[7:207]!r}" if external else "is declared in the document"
        message = f"the entity {name!r} {origin}"
        out.finding(
            "xml-entity", _HIGH if external else _MEDIUM, Confidence.HIGH, message, entity=name, target=value[:300]
        )
    if document.doctype and not document.entities and not document.doctype.startswith(_KNOWN_TYPES):
        message = f"the document type is taken from {document.doctype[:200]!r}"
        out.finding("xml-entity", _LOW, Confidence.HIGH, message, target=document.doctype[:300])


_KNOWN_TYPES = ("http://www.w3.org/", "https://www.w3.org/", "http://www.apple.com/DTDs/", "-//W3C//")
