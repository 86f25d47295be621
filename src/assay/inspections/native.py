"""Programs among the files.

What it reads: the magic numbers of executables, libraries and bytecode, at every depth of containers.
What it reports: native code, WebAssembly, Java and Python bytecode; that source code in other languages is there.
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
    "ape": "a program that runs on every system, a shell script at once (APE)",
    "macho": "a macOS program or library (or Java bytecode)",
    "wasm": "a WebAssembly module",
    "dex": "Android bytecode",
    "jar": "a Java archive",
    "java-object": "a serialised Java object",
    "object-archive": "a library of object files",
    "python-bytecode": "compiled Python",
}
_SOURCES = {
    "native-source": "C, C++, CUDA, Rust, Go or Java",
    "cython": "Cython",
    "javascript": "JavaScript or TypeScript",
    "lua": "Lua",
    "r-source": "R",
    "perl": "Perl",
    "ruby": "Ruby",
}


class NativeCode:
    """The inspector `native-code`."""

    name = "native-code"
    local = True
    version = "1"

    def wants(self, part: Part) -> bool:
        """Parts whose content is a program, or source text of one in another language than Python and shell."""
        return any(reading in _KINDS or reading in _SOURCES for reading in part.formats)

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Name what it is."""
        for reading in part.formats:
            if reading in _SOURCES:
                message = f"source code in {_SOURCES[reading]} beside the model; it was not read"
                out.finding("foreign-source", Severity.NOTE, Confidence.HIGH, message, format=reading)
            if reading in _KINDS:
                out.finding(
                    "native-code",
                    Severity.MEDIUM,
                    Confidence.HIGH,
                    f"{_KINDS[reading]} beside the model",
                    format=reading,
                )
