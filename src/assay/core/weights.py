"""What is kept of a model's tensors, and how near another model is: shared by those who look and those who remember."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorRow:
    """One tensor.

    Attributes:
        path: file of the snapshot.
        name: of the tensor.
        dtype: safetensors' name of the type, or `GGML:n`.
        shape: elements in each dimension.
        elements: number of elements.
        sha256: of its bytes in row order, hex.
        sketch: fingerprint (`formats.tensor_sketch`), 64 hex digits; empty for a tensor that has none.
    """

    path: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    elements: int
    sha256: str
    sketch: str


@dataclass(frozen=True, slots=True)
class Relative:
    """A known model beside the one at hand.

    Attributes:
        snapshot: its id, hex.
        names: under which it is known.
        equal: fraction of the fingerprinted weights (of the smaller model) that are bit-equal.
        similar: fraction whose fingerprint is near; bit-equal ones included.
        comparable: tensors at hand for which it has one of the same shape.
        bases: names of models that it is said to come from, and is not known not to.
    """

    snapshot: str
    names: tuple[str, ...]
    equal: float
    similar: float
    comparable: int
    bases: tuple[str, ...] = ()
