"""What a file of the corpus is, and the harmless payload it carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .asm import globals_of, pickled

EXECUTES = "executes"  # the real loader runs the payload: never clean, and the call is named
ABUSES = "abuses"  # harms without running code at load (escape, hidden template, lying header): never clean
HARMLESS = "harmless"  # nothing at medium or above, and read to the end
MALFORMED = "malformed"  # broken: never clean, never an error of the scanner

LOOPBACK_PORT = 47811  # where samples that connect find the oracle's listener


@dataclass(frozen=True)
class Kit:
    """The payload of one sample: everything it can do is to touch `path` or connect to loopback."""

    path: str
    port: int = LOOPBACK_PORT

    @property
    def shell(self) -> str:
        """For a shell."""
        return f"touch {self.path}"

    @property
    def argv(self) -> list[str]:
        """For exec."""
        return ["touch", self.path]

    @property
    def code(self) -> str:
        """For exec, eval and compile: one Python expression without spaces outside its strings."""
        return f"open({self.path!r},'w').close()"


Maker = Callable[[Kit], bytes]


@dataclass(frozen=True)
class Sample:
    """One file of the corpus, or a folder of files.

    Attributes:
        path: relative to the corpus; the first folder is the family.
        technique: one sentence.
        expected: EXECUTES, ABUSES, HARMLESS or MALFORMED.
        make: bytes of the file.
        extra: further files of the same folder (relative to the sample's own folder), for what only exists as a folder.
        calls: names of which a report must give at least one.
        loader: key of `oracle_child.LOADERS`; empty when it is built from the specification only.
        needs: modules that the loader or the payload imports.
        unloaded: why the oracle doesn't load it (required when `loader` is empty and `expected` is EXECUTES).
        reference: advisory, CVE or paper.
        listens: the payload connects to the oracle's loopback listener.
        builder: module that `make` needs; without it the file is left out, and the manifest says so.
    """

    path: str
    technique: str
    expected: str
    make: Maker
    extra: Mapping[str, Maker] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    loader: str = ""
    needs: tuple[str, ...] = ()
    unloaded: str = ""
    reference: str = ""
    listens: bool = False
    builder: str = ""

    @property
    def name(self) -> str:
        """Flat name of the marker file."""
        return self.path.replace("/", "-").replace(" ", "_")


def gadget(
    name: str,
    technique: str,
    build: Callable[[Kit], Any],
    *,
    family: str = "pickle",
    calls: tuple[str, ...] = (),
    protocol: int = 4,
    **options: Any,
) -> Sample:
    """A raw pickle of one expression; the names it must be reported by default to every global it holds."""
    named = calls or tuple(n for n in globals_of(build(Kit("x"))) if n not in _VALUES)
    aliases = tuple(alias for n in named for alias in _ALIASES.get(n, ()))
    options.setdefault("loader", "pickle")
    return Sample(
        path=f"{family}/{name}.pkl",
        technique=technique,
        expected=EXECUTES,
        make=lambda kit: pickled(build(kit), protocol),
        calls=named + aliases,
        **options,
    )


_ALIASES = {"os.system": ("posix.system",), "posix.system": ("os.system",), "io.open": ("_io.open",)}
_VALUES = {
    "builtins.dict",
    "builtins.list",
    "builtins.tuple",
    "builtins.bytes",
    "builtins.object",
    "builtins.str",
    "builtins.int",
    "builtins.any",
    "builtins.set",
    "collections.OrderedDict",
    "collections.deque",
    "io.BytesIO",
    "io.StringIO",
    "_codecs.encode",
    "builtins.float",
    "builtins.slice",
    "builtins.type",
    "numpy.array",
}
