"""Tensors against the storages that they name."""

from __future__ import annotations

import pytest

from assay.formats.pickle.tensors import misfit


def tuple_of(*items: object) -> list[object]:
    return ["tuple", list(items), len(items)]


def tensor(
    numel: object, offset: object, size: list[int], stride: list[int], *, kind: str = "FloatStorage", more: tuple = ()
) -> list[object]:
    identity = tuple_of("storage", ["global", "torch", kind], "0", "cpu", numel)
    return tuple_of(["persistent", identity], offset, tuple_of(*size), tuple_of(*stride), *more)


@pytest.mark.parametrize(
    "honest",
    [
        tensor(6, 0, [2, 3], [3, 1]),
        tensor(6, 0, [3, 2], [1, 3]),
        tensor(6, 5, [], []),
        tensor(1, 0, [1000, 1000], [0, 0]),
        tensor(0, 0, [0, 5], [5, 1]),
        tensor(0, 9, [4, 0], [1, 1]),
        tensor(8, 0, [8], [1], kind="UntypedStorage", more=(False, ["global", "collections", "OrderedDict"])),
    ],
)
def test_a_view_inside_its_storage_fits(honest: list[object]) -> None:
    assert misfit(honest) == ""


@pytest.mark.parametrize(
    ("lying", "says"),
    [
        (tensor(5, 0, [2, 3], [3, 1]), "element 6 of a storage of 5"),
        (tensor(6, 6, [], []), "element 7"),
        (tensor(6, 0, [2], [6]), "element 7"),
        (tensor(6, -1, [2], [1]), "negative offset"),
        (tensor(6, 0, [-2], [1]), "negative size"),
        (tensor(6, 5, [2], [-1]), "negative stride"),
        (tensor(-6, 0, [2], [1]), "negative storage"),
        (tensor(6, 0, [2, 3], [1]), "2 sizes and 1 strides"),
        (tensor(6, 0, [1 << 62], [1 << 62]), "of a storage of 6"),
        (tensor(6, ["int", str(1 << 70)], [1], [1]), "of a storage of 6"),
        (tensor(8, 0, [8], [1], kind="UntypedStorage", more=(0, None, ["global", "torch", "uint16"])), "element 16"),
    ],
)
def test_what_lies_outside_is_told(lying: list[object], says: str) -> None:
    assert says in misfit(lying)


def test_what_is_not_known_is_not_judged() -> None:
    unknown = tensor(6, 0, [9], [1])
    unknown[1][0] = ["result", 1, ["global", "torch.storage", "_load_from_bytes"]]  # type: ignore[index]
    assert misfit(unknown) == ""
    assert misfit(tensor(6, ["unknown"], [9], [1])) == ""
