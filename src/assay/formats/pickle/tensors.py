"""Torch tensors as pickles describe them: do size, stride and offset lie inside the storage that they name?

A tensor is `_rebuild_tensor_v2(storage, offset, size, stride, …)`, all counted in elements; its storage is a persistent
id `("storage", class, key, location, elements)` (torch/_utils.py, torch/serialization.py).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TENSORS = frozenset(
    f"torch._utils {name}"
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
)
ELEMENT_BYTES = {
    "Float": 4, "Double": 8, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "ComplexFloat": 8, "ComplexDouble": 16, "QInt8": 1, "QUInt8": 1, "QInt32": 4, "Untyped": 1,
}  # fmt: skip
_DTYPE_BYTES = {"uint16": 2, "uint32": 4, "uint64": 8, "complex32": 4}  # dtypes without a storage class of their own
_DTYPE_PLACE = 6  # of `_rebuild_tensor_v3`: storage, offset, size, stride, requires_grad, hooks, dtype, …
_STORAGE_FIELDS = 5
_FIELDS = 4


def inside(term: Any) -> list[Any]:
    """Terms inside a tuple or list term."""
    if isinstance(term, list) and len(term) > 1 and term[0] in {"tuple", "list"}:
        found: list[Any] = term[1]
        return found
    return []


def storage(identity: Any) -> tuple[str, str, int] | None:
    """Key, kind (`Float`, …) and stated elements of a persistent id, when it is a whole storage of a known kind."""
    fields = inside(identity)
    if len(fields) < _STORAGE_FIELDS or fields[0] != "storage" or not isinstance(fields[1], list):
        return None
    if len(fields) > _STORAGE_FIELDS and fields[_STORAGE_FIELDS] is not None:
        return None  # a view of another storage (torch before 0.4)
    kind = str(fields[1][-1]).removesuffix("Storage")
    elements = _integer(fields[4])
    if kind not in ELEMENT_BYTES or elements is None:
        return None
    return str(fields[2]), kind, elements


def misfit(arguments: Any) -> str:
    """How a tensor lies outside its storage; empty when it does not, or when that can't be told."""
    fields = inside(arguments)
    if len(fields) < _FIELDS or not isinstance(fields[0], list) or fields[0][:1] != ["persistent"]:
        return ""
    found = storage(fields[0][1])
    offset, size, stride = _integer(fields[1]), _integers(fields[2]), _integers(fields[3])
    if found is None or offset is None or size is None or stride is None:
        return ""
    width = _width(fields) if found[1] == "Untyped" else 1
    return _outside(offset, size, stride, found[2], width)


def _outside(offset: int, size: list[int], stride: list[int], elements: int, width: int) -> str:
    if len(size) != len(stride):
        return f"it has {len(size)} sizes and {len(stride)} strides"
    for name, values in (("offset", [offset]), ("size", size), ("stride", stride), ("storage", [elements])):
        if min(values, default=0) < 0:
            return f"a negative {name}"
    needed = width * (offset + 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True)))
    if 0 not in size and needed > elements:
        return f"it reaches to element {needed} of a storage of {elements}"
    return ""


def _width(fields: list[Any]) -> int:
    dtype = fields[_DTYPE_PLACE] if len(fields) > _DTYPE_PLACE else None
    return _DTYPE_BYTES.get(str(dtype[-1]), 1) if isinstance(dtype, list) and dtype else 1


def _integer(term: Any) -> int | None:
    if isinstance(term, int) and not isinstance(term, bool):
        return term
    if isinstance(term, list) and term[:1] == ["int"] and isinstance(term[1], str):
        digits = term[1].removeprefix("-")
        return int(term[1]) if digits.isdecimal() else None
    return None


def _integers(term: Any) -> list[int] | None:
    """Numbers of a whole tuple; `torch.Size(…)` and what was cut are not followed."""
    if not (isinstance(term, list) and term[:1] in (["tuple"], ["list"]) and term[2] == len(term[1])):
        return None
    found = [_integer(item) for item in term[1]]
    return None if None in found else [value for value in found if value is not None]
