"""What the readers of source code hand over: facts with a line, no judgement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.sourcecode.hidden import Hidden


class Level(Enum):
    """When a piece of code runs, earliest first."""

    IMPORT = "import"  # as soon as the module is imported
    LOAD = "load"  # in a method that loaders call by themselves: __init__, from_pretrained, …
    USE = "use"  # when the loaded object is used: forward, generate, …
    MAIN = "main"  # only when the file is started as a program
    OTHER = "other"  # in a function that nothing in the file calls by itself


@dataclass(frozen=True, slots=True)
class Effect:
    """Something the code can do to the world outside its values.

    Attributes:
        kind: `process`, `code`, `deserialise`, `network`, `hub`, `native`, `write`, `interpreter`, `secrets`, `decode`,
            `redirect`, `computed-import`, `computed-attribute`, `introspection` or `environment-change`.
        call: canonical dotted name (`os.system`); `?` stands for a value that is not known.
        level: when it runs.
        line: 1-based.
        text: the call as written, one line, cut.
        arguments: arguments as far as they are constant, assembled strings put together; `…` where not known.
        tags: how arguments were made: `decoded`, `network`, `hub`, `environment`, `file`, `input`, `assembled`,
            `partial`, `embedded` (bytes that stand in the code).
        reference: the function is only mentioned (handed on, stored), not called here.
        function: qualified name of the function it stands in; empty for the module itself.
        nested: it stands in a constant string that the code hands to exec, eval or compile.
    """

    kind: str
    call: str
    level: Level
    line: int
    text: str
    arguments: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    reference: bool = False
    function: str = ""
    nested: bool = False


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement, or a constant `__import__`.

    Attributes:
        module: dotted name; relative imports keep their leading dots.
        names: what is taken out of it; empty for the whole.
        line: 1-based.
        level: when it runs.
    """

    module: str
    names: tuple[str, ...]
    line: int
    level: Level


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """A class: its name and its bases as written."""

    name: str
    bases: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class PythonSource:
    """One Python file.

    Attributes:
        imports: in order.
        effects: in order of line.
        classes: in order.
        hidden: characters that a reader does not see.
        encoding: declared or default encoding.
        longest_line: in characters.
        error: why the syntax tree could not be built; empty when it could. Effects are then incomplete.
        error_line: 1-based, 0 when not known.
        truncated: an inner limit was reached and something was not followed.
    """

    imports: tuple[Import, ...] = ()
    effects: tuple[Effect, ...] = ()
    classes: tuple[ClassInfo, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    encoding: str = "utf-8"
    longest_line: int = 0
    error: str = ""
    error_line: int = 0
    truncated: bool = False
