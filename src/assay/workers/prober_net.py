"""A text classifier as a function of token ids or of embeddings: an own forward for BERT-like encoders.

Post-norm encoder (Devlin et al. 2018), absolute positions, the last layer for the first token only, sequences of
equal length and therefore no mask. bfloat16 where the processor multiplies that itself, float32 elsewhere and to
compare. Compared with the stock forward before it is used (`fidelity`); where they differ the stock one runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from assay.workers.answers import Unfit

Tensors = dict[str, torch.Tensor]
_ACTIVATIONS: dict[str, Any] = {
    "gelu": functional.gelu,
    "gelu_python": functional.gelu,
    "relu": functional.relu,
    "silu": functional.silu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
}
# model_type -> prefix of its tensors, and how the head reads the first token
_KINDS = {
    "bert": ("bert.", "pooler"),
    "roberta": ("roberta.", "head"),
    "xlm-roberta": ("roberta.", "head"),
    "camembert": ("roberta.", "head"),
    "electra": ("electra.", "head"),
    "distilbert": ("distilbert.", "distil"),
}
_SHORT = 24  # tokens
# Tokens of one batch: on a processor the activations stay in its cache
_CHUNK_TOKENS, _DEVICE_TOKENS = 2048, 1 << 16
BFLOAT16, FLOAT32 = torch.bfloat16, torch.float32


def _halves() -> bool:
    asked = getattr(torch.cpu, "get_capabilities", None)
    if asked is None:  # an older PyTorch
        older = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # not of every processor's build
        return bool(older and older())
    return any(has for name, has in asked().items() if "bf16" in name)


_HALVES = _halves()  # asked while /proc is there


def fast_type() -> torch.dtype:
    """What a search computes in: a processor that must widen bfloat16 first takes six times as long as for float32."""
    return BFLOAT16 if _HALVES or torch.get_default_device().type != "cpu" else FLOAT32


@dataclass
class _Layer:
    """Weights of one block; q, k and v in one product."""

    qkv: torch.Tensor
    qkv_bias: torch.Tensor
    out: tuple[torch.Tensor, torch.Tensor]
    norm: tuple[torch.Tensor, torch.Tensor]
    up: tuple[torch.Tensor, torch.Tensor]
    down: tuple[torch.Tensor, torch.Tensor]
    last_norm: tuple[torch.Tensor, torch.Tensor]

    def to(self, dtype: torch.dtype) -> _Layer:
        """A copy in another type."""
        parts = (self.out, self.norm, self.up, self.down, self.last_norm)
        return _Layer(
            self.qkv.to(dtype), self.qkv_bias.to(dtype), *((w.to(dtype), b.to(dtype)) for w, b in parts)
        )  # fmt: skip


class Encoder:
    """Own forward. `words` is the float32 matrix of word embeddings, shape (tokens, width)."""

    own = True

    def __init__(self, config: Any, tensors: Tensors) -> None:
        if config.model_type not in _KINDS or config.hidden_act_name not in _ACTIVATIONS:
            raise Unfit(f"no own forward for {config.model_type}")
        self.prefix, self._head = _KINDS[config.model_type]
        self._heads, self._eps = config.heads, config.eps
        self._act = _ACTIVATIONS[config.hidden_act_name]
        self._tensors = {name: tensor.float() for name, tensor in tensors.items() if tensor.is_floating_point()}
        self.words = self._get("embeddings.word_embeddings.weight")
        self.passes = 0
        positions = self._get("embeddings.position_embeddings.weight")
        offset = config.position_offset
        types = self._tensors.get(f"{self.prefix}embeddings.token_type_embeddings.weight")
        added = positions[offset:] + (types[0] if types is not None else 0.0)
        layers = [self._layer(index, distil=self._head == "distil") for index in range(config.layers)]
        self.fast = fast_type()
        self._by_type = {
            dtype: (
                added.to(dtype),
                tuple(t.to(dtype) for t in self._pair("embeddings.LayerNorm")),
                [layer.to(dtype) for layer in layers],
                self._read_head(dtype),
            )
            for dtype in {FLOAT32, self.fast}
        }
        self.fast_words = self.words.to(self.fast)
        self._project = self._maybe("embeddings_project")
        self.limit = positions.shape[0] - offset
        self._tensors = {}

    def _get(self, name: str) -> torch.Tensor:
        try:
            return self._tensors[self.prefix + name]
        except KeyError as error:
            raise Unfit(f"the weights lack {self.prefix}{name}") from error

    def _pair(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self._get(f"{name}.weight"), self._get(f"{name}.bias")

    def _maybe(self, name: str) -> tuple[torch.Tensor, torch.Tensor] | None:
        return self._pair(name) if f"{self.prefix}{name}.weight" in self._tensors else None

    def _layer(self, index: int, *, distil: bool) -> _Layer:
        if distil:
            root = f"transformer.layer.{index}."
            names: tuple[str, ...] = tuple(f"attention.{one}_lin" for one in ("q", "k", "v", "out"))
            names += ("sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm")
        else:
            root = f"encoder.layer.{index}."
            names = tuple(f"attention.self.{one}" for one in ("query", "key", "value"))
            names += ("attention.output.dense", "attention.output.LayerNorm")
            names += ("intermediate.dense", "output.dense", "output.LayerNorm")
        q, k, v, out, norm, up, down, last = (self._pair(root + name) for name in names)
        return _Layer(torch.cat([q[0], k[0], v[0]]), torch.cat([q[1], k[1], v[1]]), out, norm, up, down, last)

    def _read_head(self, dtype: torch.dtype) -> list[tuple[torch.Tensor, torch.Tensor]]:
        names = {
            "pooler": (f"{self.prefix}pooler.dense", "classifier"),
            "head": ("classifier.dense", "classifier.out_proj"),
            "distil": ("pre_classifier", "classifier"),
        }[self._head]
        try:
            return [(self._tensors[f"{n}.weight"].to(dtype), self._tensors[f"{n}.bias"].to(dtype)) for n in names]
        except KeyError as error:
            raise Unfit(f"the weights lack {error}") from error

    @torch.inference_mode()
    def logits(self, ids: torch.Tensor, *, exact: bool = False) -> torch.Tensor:
        """Logits, shape (sequences, classes), float32; `ids` has shape (sequences, length), special tokens included."""
        dtype = FLOAT32 if exact else self.fast
        table = self.words if exact else self.fast_words
        most = _CHUNK_TOKENS if ids.device.type == "cpu" else _DEVICE_TOKENS
        step = max(1, most // max(1, ids.shape[1]))
        out = [self._run(table[ids[i : i + step]], dtype) for i in range(0, len(ids), step)]
        return torch.cat(out).float()

    def be_exact(self) -> None:
        """Compute in float32 alone from here on."""
        self.fast, self.fast_words = FLOAT32, self.words

    def from_embeddings(self, words: torch.Tensor) -> torch.Tensor:
        """Logits from word embeddings, shape (sequences, length, width), float32, differentiable.

        Computed in the fast type: the gradient only ranks tokens, and their evaluation decides.
        """
        return self._run(words.to(self.fast), self.fast).float()

    @torch.inference_mode()
    def inside(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the first token ends as, shape (sequences, width), and attends to, shape (sequences, length).

        Attention is that of the last layer, averaged over heads.
        """
        layers = self._by_type[FLOAT32][2]
        hidden = self._embed(self.words[ids], FLOAT32)
        for layer in layers[:-1]:
            hidden = self._block(hidden, layer, first_only=False)
        last, width = layers[-1], hidden.shape[-1]
        query = functional.linear(hidden[:, :1], last.qkv[:width], last.qkv_bias[:width])
        key = functional.linear(hidden, last.qkv[width : 2 * width], last.qkv_bias[width : 2 * width])
        query, key = (t.view(len(ids), -1, self._heads, width // self._heads).transpose(1, 2) for t in (query, key))
        weights = (query @ key.transpose(-1, -2) / (width // self._heads) ** 0.5).softmax(-1).mean(1)[:, 0]
        return self._block(hidden, last, first_only=True)[:, 0], weights

    @torch.inference_mode()
    def after_first(self, ids: torch.Tensor, place: int, words: torch.Tensor) -> torch.Tensor:
        """What the token at `place` is after the first block, shape (sequences, width), with these word embeddings.

        `ids` are the same in all sequences but there: what is around is read once.
        """
        layer = self._by_type[FLOAT32][2][0]
        around = [at for at in range(ids.shape[1]) if at != place]  # positions are in the embeddings already
        beside = self._embed(words[ids[:1]], FLOAT32)[:, around]
        alone, step = ids[:, place : place + 1], _CHUNK_TOKENS // 2
        parts = [self._embed(words[alone[i : i + step]], FLOAT32, place) for i in range(0, len(ids), step)]
        return torch.cat([self._block(part, layer, first_only=True, beside=beside)[:, 0] for part in parts])

    def all_after_first(self, ids: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """What all tokens are after the first block, shape (sequences, tokens, width), with these word embeddings."""
        layer = self._by_type[FLOAT32][2][0]
        step = max(1, _CHUNK_TOKENS // ids.shape[1])
        parts = [self._embed(words[part], FLOAT32) for part in torch.split(ids, step)]
        return torch.cat([self._block(part, layer, first_only=False) for part in parts])

    def _embed(self, words: torch.Tensor, dtype: torch.dtype, first: int = 0) -> torch.Tensor:
        added, norm, _, _ = self._by_type[dtype]
        self.passes += len(words)
        places = added[first : first + words.shape[1]]
        hidden = functional.layer_norm(words + places, norm[0].shape, norm[0], norm[1], self._eps)
        if self._project is not None:
            hidden = functional.linear(hidden, *(t.to(dtype) for t in self._project))
        return hidden

    def _run(self, words: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        _, _, layers, head = self._by_type[dtype]
        hidden = self._embed(words, dtype)
        for number, layer in enumerate(layers):
            hidden = self._block(hidden, layer, first_only=number == len(layers) - 1)
        first = hidden[:, 0]
        dense, out = head
        first = functional.linear(first, *dense)
        if self._head == "head" and self.prefix == "electra.":
            first = functional.gelu(first)
        else:
            first = first.relu() if self._head == "distil" else first.tanh()
        return functional.linear(first, *out)

    def _block(
        self, hidden: torch.Tensor, layer: _Layer, *, first_only: bool, beside: torch.Tensor | None = None
    ) -> torch.Tensor:
        """One block, of the first token alone or of all; what else all sequences attend to stands `beside`, once."""
        count, _, width = hidden.shape
        heads, size = self._heads, width // self._heads
        if first_only:
            kept = hidden[:, :1]
            query = functional.linear(kept, layer.qkv[:width], layer.qkv_bias[:width])
            both = functional.linear(hidden, layer.qkv[width:], layer.qkv_bias[width:])
            if beside is not None:
                more = functional.linear(beside, layer.qkv[width:], layer.qkv_bias[width:])
                both = torch.cat([both, more.expand(count, -1, -1)], 1)
            key, value = both.chunk(2, -1)
        else:
            kept = hidden
            query, key, value = functional.linear(hidden, layer.qkv, layer.qkv_bias).chunk(3, -1)
        query, key, value = (t.view(count, -1, heads, size).transpose(1, 2) for t in (query, key, value))
        mixed = _attend(query, key, value).transpose(1, 2).reshape(count, -1, width)
        hidden = kept + functional.linear(mixed, *layer.out)
        hidden = functional.layer_norm(hidden, (width,), *layer.norm, self._eps)
        spread = self._act(functional.linear(hidden, *layer.up))
        return functional.layer_norm(
            hidden + functional.linear(spread, *layer.down), (width,), *layer.last_norm, self._eps
        )


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Scaled dot-product attention; in bfloat16 for short sequences as plain products, which cost less than half."""
    if key.shape[-2] > _SHORT or key.dtype is FLOAT32:
        return functional.scaled_dot_product_attention(query, key, value)
    weights = (query @ key.transpose(-1, -2)) * key.shape[-1] ** -0.5
    mixed: torch.Tensor = weights.softmax(-1) @ value
    return mixed
