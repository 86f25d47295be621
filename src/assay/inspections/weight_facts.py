"""What weights say about themselves: how many numbers, of which types, in how many layers of which width.

Read from headers alone. Layers and vocabulary are told by the usual names of tensors; the sizes that occur are told by
their shapes, whatever they are called.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKED = frozenset(("I32", "U8", "I8", "U32", "I16", "U16", "F4", "F6_E2M3", "F6_E3M2"))
GGML_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    9: "Q8_1",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    30: "BF16",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
}  # fmt: skip  (ggml.h of 2026-09)
_LAYER = re.compile(r"(?:^|\.)(?P<stack>(?:[a-z_]+\.)*?(?:layers?|h|blocks?|blk))\.(?P<number>\d{1,4})\.")
_EMBEDDING = re.compile(
    r"(?:^|\.)(?:word_embeddings|embed_tokens|wte|tok_embeddings|token_embd|shared|embed_in|token_embedding)\.weight$"
)
_PREFIX = re.compile(r"^[A-Za-z_][\w]*")
_PACKED_SHARE = 0.05  # of all elements: more integers than index tensors have
_MOST_SIZES = 4_000


@dataclass
class WeightFacts:
    """Sums over the weights of one folder.

    Attributes:
        tensors: how many.
        elements: numbers stored.
        types: elements by their type.
        stacks: layers of each stack, by the name it has in the tensors.
        embeddings: rows and columns of the embeddings of tokens.
        sizes: every size that occurs in a shape.
        heads: first parts of tensor names.
    """

    tensors: int = 0
    elements: int = 0
    types: Counter[str] = field(default_factory=Counter)
    stacks: dict[str, int] = field(default_factory=dict)
    embeddings: set[tuple[int, int]] = field(default_factory=set)
    sizes: set[int] = field(default_factory=set)
    heads: Counter[str] = field(default_factory=Counter)

    def add(self, tensors: Iterable[tuple[str, str, tuple[int, ...]]]) -> int:
        """Add (name, type, shape) of each tensor; returns the elements added."""
        before = self.elements
        for name, kind, shape in tensors:
            count = math.prod(shape)
            self.tensors += 1
            self.elements += count
            self.types[kind] += count
            if len(self.sizes) < _MOST_SIZES:
                self.sizes.update(shape)
            if (match := _LAYER.search(name)) and len(self.stacks) < 50:  # noqa: PLR2004 - no model has more
                stack = match["stack"]
                self.stacks[stack] = max(self.stacks.get(stack, 0), int(match["number"]) + 1)
            if len(shape) == 2 and _EMBEDDING.search(name):  # noqa: PLR2004 - rows and columns
                self.embeddings.add((shape[0], shape[1]))
            if (head := _PREFIX.match(name)) and len(self.heads) < 200:  # noqa: PLR2004
                self.heads[head.group()] += 1
        return self.elements - before

    @property
    def packed(self) -> bool:
        """Whether numbers are packed into integers, so that elements are not parameters."""
        return sum(self.types[kind] for kind in PACKED) > _PACKED_SHARE * max(1, self.elements)

    def to_json(self) -> dict[str, Any]:
        """As facts of evidence."""
        return {
            "tensors": self.tensors,
            "elements": self.elements,
            "packed": self.packed,
            "types": dict(sorted(self.types.items())),
            "layers": dict(sorted(self.stacks.items())),
            "embeddings": [list(shape) for shape in sorted(self.embeddings)][:20],
            "names": [name for name, _ in self.heads.most_common(10)],
        }


def contradictions(config: dict[str, Any], weights: WeightFacts) -> list[tuple[str, int, str]]:
    """Where a configuration states a size that the weights beside it don't have: (key, stated, what the weights have).

    A width or vocabulary counts as wrong only when no tensor has that size anywhere; a number of layers only when no
    stack of the weights has it and none is shared (ALBERT keeps one layer and runs it many times).
    """
    found: list[tuple[str, int, str]] = []
    for key in ("hidden_size", "n_embd", "d_model", "vocab_size"):
        stated = _natural(config.get(key))
        if stated and stated not in weights.sizes:
            what = f"no tensor has a side of {stated}"
            if key == "vocab_size":
                if not weights.embeddings or any(rows > stated for rows, _ in weights.embeddings):
                    continue  # padded, or no embedding that is known by its name
                what = f"the embeddings have {max(rows for rows, _ in weights.embeddings)} rows"
            found.append((key, stated, what))
    counts = set(weights.stacks.values())
    for key in ("num_hidden_layers", "n_layer", "num_layers"):
        stated = _natural(config.get(key))
        if stated and counts and max(counts) > 1 and stated not in counts:
            found.append((key, stated, f"the weights have {max(counts)} layers"))
    return found


def _natural(value: Any) -> int:
    """A positive integer, or 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
