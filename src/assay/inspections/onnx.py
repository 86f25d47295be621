"""ONNX models: what leaves the file, and what leaves the standard.

What it reads: all graphs, nested graphs, functions and training graphs; external data; operators and their domains;
metadata; the shapes and sizes of tensors.
What it reports: external data outside the model's folder, missing or too short; operators that run Python or need a
native library; functions that replace standard operators or call themselves; tensors that are not what they say.
Why it matters: loaders open the files that a model names, and custom operators are native code.
What it cannot see: symbolic links beside the model (the listing of files refuses those that leave it); behaviour that
the graph computes.
References: CVE-2022-25882, CVE-2024-27318, CVE-2024-5187, CVE-2024-7776.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from assay.core.finding import Confidence, Severity
from assay.formats.onnx import read_onnx

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.formats.onnx import ExternalData, Onnx
    from assay.inspections.parts import Collector, Part

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
# Domains whose operators the runtimes bring along.
_KNOWN = re.compile(
    r"|ai\.onnx(?:\.ml|\.training|\.preview(?:\.training)?)?|com\.microsoft(?:\.nchwc|\.experimental|\.dml)?|com\.ms\.internal\.nhwc"
    r"|org\.pytorch\.aten|pkg\.onnxscript\..*|pkg\.torch\..*|com\.intel\.ai"
)
_PYTHON = re.compile(r"Py(?:thon)?(?:Custom)?Op(?:Grad)?$|.*PyFunc.*|PythonFunction")
_OUTSIDE = re.compile(r"^(?:/|\\|~|[A-Za-z]:|\w+://)|(?:^|[/\\])\.\.(?:[/\\]|$)")
_LIES = {"negative-dimension": _MEDIUM, "huge-tensor": _MEDIUM, "tensor-size": _MEDIUM}


class OnnxModel:
    """The inspector `onnx`."""

    name = "onnx"
    version = "1"

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def begin(self, subject: Subject, out: Collector) -> None:
        """Note the files beside the models: external data must be one of them."""
        del out
        self._sizes = {entry.path: entry.size for entry in subject.snapshot.files}

    def wants(self, part: Part) -> bool:
        """ONNX models."""
        return "onnx" in part.formats

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Read and judge one model."""
        model = read_onnx(part.stream, part.size, part.limits)
        folder = posixpath.dirname(part.path)
        judged: set[tuple[str, str]] = set()
        for item in model.external:
            self._external(item, "" if part.inner else folder, out, judged, inside=bool(part.inner))
        _operators(model, out)
        _paths(model, out)
        _functions(model, out)
        for anomaly in model.anomalies:
            out.finding("onnx-tensor", _LIES[anomaly.code], Confidence.HIGH, anomaly.detail, offset=anomaly.offset)
        out.fact_here("producer", model.producer)
        out.fact_here("operators", {f"{d}::{o}" if d else o: n for (d, o), n in model.operators.most_common(300)})

    def _external(
        self, item: ExternalData, folder: str, out: Collector, judged: set[tuple[str, str]], *, inside: bool
    ) -> None:
        facts: dict[str, Any] = {"tensor": item.tensor, "location": item.location[:500]}
        if _OUTSIDE.search(item.location):
            if ("escape", item.location) not in judged:
                judged.add(("escape", item.location))
                message = (
                    f"tensor {item.tensor!r} takes its data from {item.location[:200]!r}, outside the model's folder"
                )
                out.finding("onnx-external-escape", _HIGH, Confidence.HIGH, message, **facts)
            return
        place = posixpath.normpath(posixpath.join(folder, item.location))
        size = self._sizes.get(place)
        if inside:
            return
        if size is not None:
            out.claim(place)
        if size is None:
            if ("missing", item.location) not in judged:
                judged.add(("missing", item.location))
                message = f"tensor {item.tensor!r} takes its data from {item.location[:200]!r}, which is not here"
                out.finding("onnx-external-data", _LOW, Confidence.HIGH, message, **facts)
        elif max(item.offset, 0) + max(item.length, 0) > size and ("short", item.location) not in judged:
            judged.add(("short", item.location))
            message = f"tensor {item.tensor!r} reaches past the end of {item.location[:200]!r} ({size} bytes)"
            out.finding("onnx-external-data", _MEDIUM, Confidence.HIGH, message, offset=None, **facts)


def _operators(model: Onnx, out: Collector) -> None:
    foreign: dict[str, list[str]] = {}
    for (domain, operator), _ in model.operators.most_common():
        if _PYTHON.match(operator):
            told = [text for owner, _, text in model.texts if owner == operator][:5]
            message = f"the operator {domain or 'ai.onnx'}::{operator} runs Python" + (
                f" ({', '.join(told)})" if told else ""
            )
            out.finding("onnx-python", _HIGH, Confidence.HIGH, message, call=f"{domain}::{operator}", texts=told)
        elif (domain, operator) not in model.functions and not _KNOWN.fullmatch(domain):
            foreign.setdefault(domain, []).append(operator)
    for domain, operators in foreign.items():
        message = f"operators of the domain {domain!r} need a library: {', '.join(operators[:8])}"
        out.finding("onnx-custom-operator", _LOW, Confidence.HIGH, message, domain=domain, operators=operators[:100])


def _paths(model: Onnx, out: Collector) -> None:
    """Text attributes of other libraries' operators that name files: compiled contexts, libraries."""
    for operator, name, text in dict.fromkeys(model.texts):
        library = text.endswith((".so", ".dll", ".dylib"))
        if library or (_PATH.fullmatch(text) and _OUTSIDE.search(text)):
            message = f"the operator {operator} names the file {text[:200]!r} ({name})"
            call = f"{operator}({text[:100]!r})"
            out.finding("onnx-operator-file", _HIGH, Confidence.HIGH, message, call=call, path=text[:500])


_PATH = re.compile(r"[\w.~:\\-]*[/\\][\w./\\ -]{3,300}")


def _functions(model: Onnx, out: Collector) -> None:
    for domain, name in model.functions:
        if domain in {"", "ai.onnx"} and not name.startswith("_"):
            message = f"the model brings its own version of the standard operator {name!r}"
            out.finding("onnx-function", _LOW, Confidence.MEDIUM, message, function=name, domain=domain)
    looping = _cycle(model)
    if looping:
        message = f"the function {looping[1]!r} of {looping[0]!r} calls itself: expanding it does not end"
        out.finding("onnx-function", _MEDIUM, Confidence.HIGH, message, function=looping[1], domain=looping[0])


def _cycle(model: Onnx) -> tuple[str, str] | None:
    """A function that reaches itself."""
    done: set[tuple[str, str]] = set()
    for start in model.functions:
        stack: list[tuple[tuple[str, str], bool]] = [(start, False)]
        path: set[tuple[str, str]] = set()
        while stack:
            here, leaving = stack.pop()
            if leaving:
                path.discard(here)
                done.add(here)
            elif here in path:
                return here
            elif here not in done:
                path.add(here)
                stack.append((here, True))
                stack += [(used, False) for used in model.functions[here] if used in model.functions]
    return None
