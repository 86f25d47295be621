"""R objects (`.rds`, `.RData`): the code in them.

What it reads: the whole stream, in all three encodings: calls in promises, functions, bytecode and stored expressions.
What it reports: promises that are not yet evaluated, functions and stored calls that start programs, talk to the
network, load libraries or write files, external pointers.
Why it matters: R evaluates a promise as soon as the value is touched, so loading and printing an object runs it.
What it cannot see: functions that are reached under computed names (`get`, `do.call` with text that is put together).
References: CVE-2024-27322; R Internals, "Serialization Formats".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity
from assay.formats.rdata import read_rdata

if TYPE_CHECKING:
    from assay.formats.rdata import RCall, RData
    from assay.inspections.parts import Collector, Part

_NOTE, _LOW, _MEDIUM, _HIGH, _CRITICAL = Severity
_PROGRAMS = frozenset(
    ("system", "system2", "shell", "shell.exec", "pipe", "exec_wait", "exec_background", "exec_internal")
)
_REACHES = _PROGRAMS | frozenset(
    (
        "download.file", "url", "socketConnection", "serverSocket", "curl_download", "curl_fetch_memory", "GET", "POST",
        "browseURL", "dyn.load", "library.dynam", "install.packages", "install_github", "source_url", "reg.finalizer",
        "source", "sys.source", "file.remove", "unlink", "Sys.setenv", "file.append", "sourceCpp", "cppFunction",
        "py_run_string",
    )
)  # fmt: skip
_INDIRECT = frozenset(
    ("eval", "evalq", "parse", "str2lang", "do.call", "get", "match.fun", "delayedAssign", "makeActiveBinding")
)


class RObjects:
    """The inspector `r-data`."""

    name = "r-data"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """R streams, also inside their compression."""
        return bool({"r-rds", "r-data"}.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Walk the stream and judge its calls."""
        data = read_rdata(part.stream, part.size, part.limits)
        for call in dict.fromkeys(data.calls):
            _call(call, out)
        if data.promises:
            _promises(data, out)
        if data.types["external pointer"]:
            out.finding("r-object", _LOW, Confidence.MEDIUM, "an external pointer, which leads nowhere after loading")
        if data.truncated:
            out.incomplete("more calls than are kept of one file")
        out.fact_here("types", dict(data.types))


def _promises(data: RData, out: Collector) -> None:
    """Promises: saved environments hold them in earnest; one that calls nothing notable is only worth a word."""
    calls = [call for call in data.calls if call.inside == "promise"]
    shown = ", ".join(_shown(call) for call in calls[:3])
    notable = data.root == "promise" or any(c.name.rpartition("::")[2] in _REACHES | _INDIRECT for c in calls)
    message = f"{data.promises} promises that run when their value is touched" + (f": {shown}" if shown else "")
    severity = _HIGH if notable else _LOW
    out.finding("r-promise", severity, Confidence.HIGH, message, call=shown, count=data.promises)


def _call(call: RCall, out: Collector) -> None:
    name = call.name.rpartition("::")[2]
    shown = _shown(call)
    if name in _REACHES:
        severity = {"promise": _CRITICAL, "closure": _HIGH, "bytecode": _HIGH}.get(call.inside, _MEDIUM)
        where = {"promise": "a promise", "": "a stored call"}.get(call.inside, "a function")
        message = f"{where} calls {shown}"
        out.finding("r-code", severity, Confidence.HIGH, message, call=shown, inside=call.inside)
    elif name in _INDIRECT and call.inside == "promise":
        out.finding("r-code", _HIGH, Confidence.MEDIUM, f"a promise calls {shown}", call=shown, inside=call.inside)


def _shown(call: RCall) -> str:
    return f"{call.name}({', '.join(repr(text[:100]) for text in call.texts)})"
