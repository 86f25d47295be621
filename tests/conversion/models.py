"""Checkpoints of every kind, made here."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def tensors() -> Any:
    """A state dict with every layout and many types that a tensor can have."""
    import torch

    torch.manual_seed(0)
    one = torch.randn(5, 7)
    state = OrderedDict(
        plain=one,
        tied=one,
        transposed=one.t(),
        rows=one[1:3],
        bf16=torch.randn(3).bfloat16(),
        f16=torch.randn(3, 2).half(),
        f64=torch.randn(2).double(),
        f8=torch.randn(4, 4).to(torch.float8_e4m3fn),
        f8b=torch.randn(4, 4).to(torch.float8_e5m2),
        empty=torch.zeros(0, 3),
        scalar=torch.tensor(3),
        truth=torch.tensor([True, False]),
        expanded=torch.randn(1, 3).expand(4, 3),
        complex=torch.randn(3, dtype=torch.complex64),
        parameter=torch.nn.Parameter(torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)),
        u16=torch.tensor([1, 2, 65535], dtype=torch.uint16),
        nan=torch.tensor([float("nan"), -0.0, float("inf")]),
    )
    state._metadata = {"": {"version": 1}}
    return state


def bits(tensor: Any) -> bytes:
    """Bytes in row order."""
    import torch

    plain = tensor.detach()
    plain = torch.view_as_real(plain) if plain.is_complex() else plain
    return plain.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def small_bert(folder: Path, *, shards: int = 1, seed: int = 0) -> Path:
    """A BERT of one layer as transformers wrote it before safetensors, in shards if wanted."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=120, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, architectures=["BertModel"],
    )  # fmt: skip
    model = BertModel(config).eval()
    config.save_pretrained(folder)
    (folder / "README.md").write_text("# a model\n", "utf-8")
    state = model.state_dict()
    if shards == 1:
        torch.save(state, folder / "pytorch_model.bin")
        return folder
    names = [f"pytorch_model-{number:05d}-of-{shards:05d}.bin" for number in range(1, shards + 1)]
    weight_map = {name: names[number % shards] for number, name in enumerate(state)}
    for name in names:
        torch.save({key: state[key].clone() for key, file in weight_map.items() if file == name}, folder / name)
    size = sum(value.numel() * value.element_size() for value in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index), "utf-8")
    return folder
