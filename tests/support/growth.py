"""How the time of a parser grows with its input: short pieces, repeated until they fill a file, of two sizes.

`python -m tests.support.growth [PARSER …]` prints what grows faster than its input. Pieces are stretches of the
parser's own seeds, in their place, and what syntaxes are made of; which stretches depends on the number alone.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.fuzz import SEED, OutOfTime, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.fuzz import Parser

SMALL, LARGE = 24_000, 384_000  # bytes: 16 times
TOO_MUCH = 3.0  # times what linear growth would give
WORTH_SECONDS = 0.25  # CPU time at LARGE below which growth does not matter
MOST_SECONDS = 12.0  # CPU time of one input, which is then told as it is
STRETCHES = 24  # of seeds, for each parser
_LONGEST = 48
TOKENS = (
    b"(", b"[", b"{", b"<", b" ", b"\t", b"\n", b"a", b"0", b"'", b'"', b"\\", b"#", b"-", b"- ", b"? ", b"&a ", b"*a ",
    b"a: ", b"a:\n ", b"{{", b"{%", b"{{ x|", b"x.", b"x(", b"x[", b"[x](", b"<!--", b"<a ", b"&x;", b"=", b"$(", b"${",
    b"`", b"<<a\n", b"a=", b"x and ", b"not ", b"lambda:", b"f'{", b"@a\n", b"\xe2\x80\xae", b"\xc3\xa9", b"\x80\x02c",
    b"\x80\x04\x95", b"(V", b"I1", b"cos\n", b"P", b"\xff", b"\x00", b"\x01\x00", b"\xde\xc0",
    b"PK\x01\x02", b"PK\x03\x04",
    b"PK\x05\x06" + b"\0" * 18, b"\x0a\x02", b"\x91", b"\x81a", b"import a\n", b"if a:\n ", b"|", b"| ", b">-\n",
    b",", b"[1,",
    b'{"a":', b"%", b"!x ", b"---\n", b"\r", b"\x0c", b"https://a/", b"A" * 40 + b" ", b"$A", b"'a' + ",
)  # fmt: skip


@dataclass(frozen=True)
class Growth:
    """One shape of input whose time grows faster than its size.

    Attributes:
        parser: its name.
        shape: what is repeated, and where.
        small: CPU seconds at `SMALL` bytes.
        large: CPU seconds at `LARGE` bytes, `MOST_SECONDS` when it was cut off.
    """

    parser: str
    shape: str
    small: float
    large: float

    def __str__(self) -> str:
        return f"{self.parser:16} {self.small:7.3f} s → {self.large:7.3f} s  {self.shape}"


def shapes(parser: Parser, seeds: Sequence[bytes]) -> Iterator[tuple[str, bytes, bytes, bytes]]:
    """(what it is, before, piece, after): the piece is what is repeated."""
    for token in TOKENS:
        yield f"{token[:30]!r}", b"", token, b""
    rng = random.Random(f"{SEED} {parser.name}")
    for _ in range(STRETCHES):
        number = rng.randrange(len(seeds))
        seed = seeds[number]
        start = rng.randrange(max(1, len(seed)))
        stop = min(len(seed), start + rng.choice((1, 2, 4, 8, 16, _LONGEST)))
        if stop > start:
            yield f"seed {number}, bytes {start} to {stop}", seed[:start], seed[start:stop], seed[stop:]
        token = rng.choice(TOKENS)
        yield f"seed {number}, {token[:30]!r} at {start}", seed[:start], token, seed[start:]


def grown(before: bytes, piece: bytes, after: bytes, size: int) -> bytes:
    """About `size` bytes."""
    return before + piece * max(1, (size - len(before) - len(after)) // len(piece)) + after


def seconds(parser: Parser, data: bytes, most: float = MOST_SECONDS) -> float:
    """CPU seconds that the parser takes, up to `most`."""

    def late(*_: object) -> None:
        raise OutOfTime

    signal.signal(signal.SIGPROF, late)
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, most)
    try:
        outcome(parser, data)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return time.process_time() - begun


def superlinear(parser: Parser, *, every: int = 1) -> list[Growth]:
    """Shapes whose time grows faster than their size; only one in `every` is tried."""
    seeds = list(parser.seeds())
    found = []
    for number, (shape, before, piece, after) in enumerate(shapes(parser, seeds)):
        if number % every:
            continue
        large = seconds(parser, grown(before, piece, after, LARGE))
        if large < WORTH_SECONDS:
            continue
        small = min(seconds(parser, grown(before, piece, after, SMALL)) for _ in range(2))
        if large > small * LARGE / SMALL * TOO_MUCH:
            found.append(Growth(parser.name, shape, small, large))
    return found


def main(names: list[str]) -> int:
    """Print what grows too fast; the exit status says whether anything does."""
    from tests.support.fuzz_parsers import PARSERS

    found = []
    for parser in PARSERS:
        if not names or parser.name in names:
            begun = time.process_time()
            here = superlinear(parser)
            found += here
            print(f"# {parser.name}: {len(here)} ({time.process_time() - begun:.1f} s)", flush=True)
            for growth in here:
                print(growth, flush=True)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
