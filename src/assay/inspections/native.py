"""Programs among the files.

What it reads: the magic numbers of executables, libraries and bytecode, at every depth of containers.
What it reports: native code, WebAssembly, Java and Python bytecode.
Why it matters: a loader that honours custom operators, or a user who is told to, runs it; weights need none of it.
What it cannot see: what the program does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.core.finding import Confidence, Severity

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_KINDS = {
    "elf": "an ELF program or library",
    "pe": "a Windows program or library",
    "macho": "a macOS program or library (or Java bytecode)",
    "wasm": "a WebAssembly module",
    "dex": "Android bytecode",
    "jar": "a Java archive",
    "python-bytecode": "compiled Python",
}


class NativeCode:
    """The inspector `native-code`."""

    name = "native-code"
    version = "1"

    def wants(self, part: Part) -> bool:
        """Parts whose content is a program."""
        return any(reading in _KINDS for reading in part.formats)

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Name what it is."""
        for reading in part.formats:
            if reading in _KINDS:
                out.finding(
                    "native-code",
                    Severity.MEDIUM,
                    Confidence.HIGH,
                    f"{_KINDS[reading]} beside the model",
                    format=reading,
                )
