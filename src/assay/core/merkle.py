"""The Merkle tree of RFC 6962 / RFC 9162 over SHA-256: roots, inclusion and consistency proofs. Pure.

Leaves are numbered from 0. A range of leaves [low, high) has one hash (MTH, RFC 9162, 2.1.1); whoever makes proofs
supplies those of ranges, so that a large tree need not be read as a whole.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from assay.core.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    RangeHash = Callable[[int, int], bytes]

EMPTY_ROOT = hashlib.sha256(b"").digest()  # RFC 9162, 2.1.1: MTH({})


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf; the prefix keeps leaves and nodes apart."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: what is needed to add leaves and to know the root. 32 bytes for each level."""

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[bytes | None] = []

    def add(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        carry = leaf
        for level, held in enumerate(self._levels):
            if held is None:
                self._levels[level] = carry
                break
            carry = node_hash(held, carry)
            self._levels[level] = None
        else:
            self._levels.append(carry)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        root: bytes | None = None
        for held in self._levels:
            if held is not None:
                root = held if root is None else node_hash(held, root)
        return EMPTY_ROOT if root is None else root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over hashes of leaves."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def split(count: int) -> int:
    """The largest power of two below `count` (2 or more)."""
    return 1 << ((count - 1).bit_length() - 1)


def prove_inclusion(index: int, size: int, ranges: RangeHash) -> list[bytes]:
    """The audit path of a leaf (RFC 9162, 2.1.3.1), nearest node first.

    Raises:
        UsageError: when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise UsageError(f"a tree of {size} leaves has no leaf {index}")
    low, high, path = 0, size, []
    while high - low > 1:
        middle = low + split(high - low)
        if index < middle:
            path.append(ranges(middle, high))
            high = middle
        else:
            path.append(ranges(low, middle))
            low = middle
    return path[::-1]


def prove_consistency(old: int, size: int, ranges: RangeHash) -> list[bytes]:
    """The proof that the tree of `size` leaves begins with that of `old` (RFC 9162, 2.1.4.1).

    Raises:
        UsageError: unless 0 < old <= size.
    """
    if not 0 < old <= size:
        raise UsageError(f"no consistency proof from {old} to {size} leaves")
    low, high, whole, path = 0, size, True, []
    while old != high:
        middle = low + split(high - low)
        if old <= middle:
            path.append(ranges(middle, high))
            high = middle
        else:
            path.append(ranges(low, middle))
            low, whole = middle, False
    return [*([] if whole else [ranges(low, high)]), *path[::-1]]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Verify an audit path (RFC 9162, 2.1.3.2).

    Raises:
        IntegrityError: when it does not lead to the root.
    """
    ok, number, last, value = 0 <= index < size, index, size - 1, leaf
    for one in path:
        ok = ok and last > 0
        if number & 1 or number == last:
            value = node_hash(one, value)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            value = node_hash(value, one)
        number, last = number >> 1, last >> 1
    if not ok or last != 0 or value != root:
        raise IntegrityError(f"the proof does not show entry {index + 1} in the tree of {size} entries")


def check_consistency(old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Verify a consistency proof (RFC 9162, 2.1.4.2).

    Raises:
        IntegrityError: when the larger tree does not begin with the smaller one, or the proof does not show it.
    """
    refusal = IntegrityError(f"the tree of {size} entries does not begin with the one of {old} that was seen")
    if old == size and not path and old_root == root:
        return
    if not 0 < old < size or not path:
        raise refusal
    steps = list(path)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    number, last = old - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    before = after = steps[0]
    for one in steps[1:]:
        if last == 0:
            raise refusal
        if number & 1 or number == last:
            before, after = node_hash(one, before), node_hash(one, after)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, one)
        number, last = number >> 1, last >> 1
    if last != 0 or before != old_root or after != root:
        raise refusal
