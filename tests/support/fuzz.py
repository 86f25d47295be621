"""Fuzz one parser in a process of its own: what it may raise, how long it may take, how much memory it may use.

`python -m tests.support.fuzz PARSER START COUNT` runs inputs START to START+COUNT-1 and prints a JSON `Result`. Input
number n is the same bytes in every run, so a crash is named by its parser and number: `--show N` writes that input.
Without a parser it prints the digest of the first inputs of each.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import hashlib
import json
import os
import random
import re
import resource
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from tests.support.mutate import edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
_COUNTED = ("src/assay/", "tests/support/fuzz.py", "tests/support/mutate.py")
SEED = 20261001
SEED_BYTES = 24_000  # longer seeds are left out: an input should cost well below a millisecond
INPUT_CPU_SECONDS = 5.0  # CPU time of one input; inputs are below 100 kB
STUCK_SECONDS = 120.0  # wall time of one batch: a hang inside C code, which no signal handler can leave
BATCH = 50
FIRST = 150
MEMORY_BYTES = 512 << 20  # address space above what the process held after its seeds
CRASHES_KEPT = 20
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_LENGTHS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Parser:
    """A parser under test.

    Attributes:
        name: id on the command line and in the table.
        run: parses; what it returns is compared between runs by its `repr`.
        seeds: valid and hostile files to start from.
        covers: readers that `run` reaches, as `formats.module.function`.
        make: makes an input from the seeds itself, for half of the inputs (texts whose syntax flips would break).
        total: it never raises, not even ContentError.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    covers: tuple[str, ...]
    make: Callable[[random.Random, Sequence[bytes]], bytes] | None = None
    total: bool = False


@dataclass
class Result:
    """What happened.

    Attributes:
        parser: its name.
        inputs: inputs that were run.
        read: inputs that were read to a result; the others were refused with ContentError.
        crashes: number and last lines of what must not happen: another exception, out of memory, out of time.
        crashed: how many there were.
        slowest_seconds: CPU seconds of the slowest input.
        slowest_input: its number.
        memory_bytes: growth of the process's largest resident size.
        digest: over all outcomes, to compare runs.
        first_digest: over those of the first `FIRST`, to compare runs of other lengths.
        modules: files of this repository that were loaded, relative to it.
    """

    parser: str
    inputs: int = 0
    read: int = 0
    crashes: list[tuple[int, str]] = field(default_factory=list)
    crashed: int = 0
    slowest_seconds: float = 0.0
    slowest_input: int = -1
    memory_bytes: int = 0
    digest: str = ""
    first_digest: str = ""
    modules: list[str] = field(default_factory=list)


class OutOfTime(BaseException):
    """An input took more than `INPUT_CPU_SECONDS`; no parser catches this."""


def mutation(parser: Parser, seeds: Sequence[bytes], number: int) -> bytes:
    """Input `number`; the first inputs are the seeds themselves."""
    if number < len(seeds):
        return seeds[number]
    rng = random.Random(SEED << 32 | number)
    if parser.make is not None and rng.random() < 0.5:
        return parser.make(rng, seeds)
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if rng.random() < 0.3:
            change_length(data, rng)
        else:
            edit(data, rng, seeds)
    return bytes(data)


def change_length(data: bytearray, rng: random.Random) -> None:
    """Change what may be a length, a count or an offset: a small number of 1, 2, 4 or 8 bytes, in either order."""
    size, order = rng.choice(_LENGTHS), rng.choice(("little", "little", "big"))
    if len(data) < size:
        return
    for _ in range(20):
        place = rng.randrange(len(data) - size + 1)
        value = int.from_bytes(data[place : place + size], order)  # type: ignore[arg-type]
        if 0 < value <= max(len(data), 255) * 2:
            break
    top = (1 << 8 * size) - 1
    near = (value - 1, value + 1, value * 2, value + 8, len(data), len(data) - place, 0, top, top >> 1, (top >> 1) + 1)
    data[place : place + size] = (rng.choice(near) & top).to_bytes(size, order)  # type: ignore[arg-type]


def outcome(parser: Parser, data: bytes) -> tuple[str, str]:
    """(`read` or `refused` or `crash`, what came out)."""
    try:
        return "read", shown(parser.run(data))
    except ContentError as error:
        if not parser.total:
            return "refused", str(error)
        return "crash", traceback.format_exc(limit=-4)
    except OutOfTime:
        return "crash", f"more than {INPUT_CPU_SECONDS} s of CPU time\n{traceback.format_exc(limit=-4)}"
    except Exception:  # noqa: BLE001 - this is what is looked for
        return "crash", traceback.format_exc(limit=-4)


def shown(value: Any) -> str:
    """`repr` without addresses and with sets in order: equal results look equal in every process."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = (f"{f.name}={shown(getattr(value, f.name))}" for f in fields(value) if f.repr)
        return f"{type(value).__name__}({', '.join(inner)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(key)}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(shown, value))) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    return _ADDRESS.sub("", repr(value))


def run(parser: Parser, start: int, count: int) -> Result:
    """Run inputs `start` to `start + count - 1` under the limits of this module.

    The first in a process tells how much memory its parser takes.
    """
    seeds = list(parser.seeds())
    assert seeds, f"{parser.name} has no seed"
    assert max(map(len, seeds)) <= SEED_BYTES, f"a seed of {parser.name} is too long"
    result, digest = Result(parser.name), hashlib.sha256()
    for data in seeds:  # imports and caches are not the parser's growth
        with _timed():
            outcome(parser, data)
    _limit_memory()
    before = _peak_bytes()
    for number in range(start, start + count):
        if (number - start) % BATCH == 0:
            faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
        data = mutation(parser, seeds, number)
        begun = time.process_time()
        with _timed():
            kind, shown = outcome(parser, data)
        _count(result, number, kind, shown, time.process_time() - begun)
        digest.update(f"{number} {kind} {shown if kind != 'crash' else ''}\n".encode("utf-8", "backslashreplace"))
        if number - start + 1 == FIRST:
            result.first_digest = digest.hexdigest()
    faulthandler.cancel_dump_traceback_later()
    result.memory_bytes, result.digest = _peak_bytes() - before, digest.hexdigest()
    result.modules = _modules()
    return result


def _count(result: Result, number: int, kind: str, shown: str, seconds: float) -> None:
    result.inputs += 1
    result.read += kind == "read"
    if seconds > result.slowest_seconds:
        result.slowest_seconds, result.slowest_input = seconds, number
    if kind == "crash":
        result.crashed += 1
        if len(result.crashes) < CRASHES_KEPT:
            result.crashes.append((number, shown[-1500:]))


@contextlib.contextmanager
def _timed() -> Iterator[None]:
    """Raise OutOfTime in the body after `INPUT_CPU_SECONDS` of CPU time: a busy machine makes no hang."""

    def late(*_: object) -> None:
        raise OutOfTime

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, INPUT_CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _modules() -> list[str]:
    """Of assay and of the harness; what only makes seeds is left out."""
    files = {Path(m.__file__) for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
    ours = (path.relative_to(ROOT).as_posix() for path in files if path.is_relative_to(ROOT))
    return sorted(name for name in ours if name.startswith(_COUNTED))


def _limit_memory() -> None:
    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def parser_named(name: str) -> Parser:
    """A parser of the registry."""
    from tests.support.fuzz_parsers import PARSERS

    return next(parser for parser in PARSERS if parser.name == name)


def first_digests() -> dict[str, str]:
    """What comes of the first inputs of every parser, by its name."""
    from tests.support.fuzz_parsers import PARSERS

    return {parser.name: run(parser, 0, FIRST).first_digest for parser in PARSERS}


def main(arguments: list[str] | None = None) -> None:
    """Run one stretch of inputs, or show one input."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("parser", nargs="?")
    options.add_argument("start", type=int, nargs="?", default=0)
    options.add_argument("count", type=int, nargs="?", default=1000)
    options.add_argument("--show", type=int, metavar="N", help="write input N to standard output")
    args: Any = options.parse_args(arguments)
    if args.parser is None:
        print(json.dumps(first_digests()))
        return
    parser = parser_named(args.parser)
    if args.show is not None:
        sys.stdout.buffer.write(mutation(parser, list(parser.seeds()), args.show))
        return
    print(json.dumps(asdict(run(parser, args.start, args.count))))


if __name__ == "__main__":
    main()
