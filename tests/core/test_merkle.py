"""RFC 6962 trees: known roots, every proof of every small tree, and every way to spoil one."""

import hashlib

import pytest

from assay.core.errors import IntegrityError, UsageError
from assay.core.merkle import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
)

# The leaves and roots that the certificate-transparency implementations share as test vectors.
LEAVES = [bytes.fromhex(one) for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
HASHES = [leaf_hash(bytes([n])) for n in range(33)]


def ranges(low, high):
    return root_of(HASHES[low:high])


def test_known_roots():
    assert root_of([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()
    for size, root in ROOTS.items():
        assert root_of(leaf_hash(one) for one in LEAVES[:size]).hex() == root


def test_every_inclusion_proof_of_small_trees_and_no_other():
    for size in range(1, 34):
        root = ranges(0, size)
        for index in range(size):
            path = prove_inclusion(index, size, ranges)
            check_inclusion(HASHES[index], index, size, path, root)
            wrong = [
                (leaf_hash(b"other"), index, size, path, root),
                (HASHES[index], index, size, path, leaf_hash(b"x")),
                (HASHES[index], index, size, [*path, root], root),
                (HASHES[index], size, size, path, root),
                *([(HASHES[index], index, size, path[:-1], root)] if path else []),
                *([(HASHES[index], (index + 1) % size, size, path, root)] if size > 1 else []),
            ]
            for case in wrong:
                with pytest.raises(IntegrityError):
                    check_inclusion(*case)


def test_every_consistency_proof_of_small_trees_and_no_fork():
    for size in range(1, 34):
        root = ranges(0, size)
        for old in range(1, size + 1):
            path = prove_consistency(old, size, ranges)
            check_consistency(old, ranges(0, old), size, root, path)
            fork = root_of([*HASHES[: old - 1], leaf_hash(b"edited")])
            wrong = [
                (old, fork, size, root, path),
                (old, ranges(0, old), size, leaf_hash(b"x"), path),
                (old, ranges(0, old), size, root, [*path, root]),
                *([(old, ranges(0, old), size, root, path[:-1])] if path else []),
                *([(old + 1, ranges(0, old), size, root, path)] if old < size else []),
                (size + 1, root, size, root, path),
            ]
            for case in wrong:
                with pytest.raises(IntegrityError):
                    check_consistency(*case)


def test_what_can_not_be_proven():
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(UsageError):
            prove_inclusion(index, size, ranges)
    for old, size in ((0, 3), (4, 3)):
        with pytest.raises(UsageError):
            prove_consistency(old, size, ranges)
