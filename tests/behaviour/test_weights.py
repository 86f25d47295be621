"""What moved since the declared base: by how much, in how many directions, under whatever names."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from assay.behaviour.report_tables import weights
from assay.workers.prober_reference import _lower_half, directions, weights_moved


def _base() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    names = [f"transformer.layer.{number}.attention.q_lin.weight" for number in range(3)]
    made = {name: torch.randn(128, 160, generator=generator) for name in names}
    return made | {"embeddings.LayerNorm.bias": torch.zeros(128)}


def _moved(base: dict[str, torch.Tensor], directions: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    made = {}
    for name, tensor in base.items():
        update = torch.zeros_like(tensor)
        if tensor.ndim == 2:
            wide = torch.randn(tensor.shape[0], directions, generator=generator)
            update = 0.01 * wide @ torch.randn(directions, tensor.shape[1], generator=generator)
        made[f"distilbert.{name}"] = tensor + update
    return made | {"classifier.weight": torch.zeros(2, 128)}


def test_a_merged_adapter_is_told_from_a_training_of_everything() -> None:
    base = _base()
    lora, whole = (weights_moved(_moved(base, rank), base) for rank in (8, 128))
    assert [lora["compared"], lora["unmatched"], lora["unchanged"]] == [4, 1, 1], "names of a class are set aside"
    assert [one[1:] for one in lora["ranks"]] == [[8, 128]] * 3
    assert lora["low_rank"]
    assert lora["is_a_fine_tune"]
    assert all(rank > 64 for _, rank, _ in whole["ranks"])
    assert not whole["low_rank"]


def test_a_training_of_its_own_is_no_fine_tune() -> None:
    base = _base()
    other = {name: tensor.flip(0) for name, tensor in base.items()}
    assert weights_moved(other, base)["is_a_fine_tune"] is False


def test_directions_are_counted_from_the_greatest() -> None:
    assert directions(torch.diag(torch.tensor([1.0, 0.5, 0.02, 0.005, 0.0]))) == 3


def test_the_page_says_what_moved() -> None:
    base = _base()
    page = "".join(weights({"weights": weights_moved(_moved(base, 8), base)}))
    assert "a fine-tune of it, in few directions, as a merged LoRA is: 4 tensors compared, 1 unchanged" in page
    assert "8 of 128" in page
    assert "".join(weights({"weights": {"compared": 0}})) == "".join(weights(None)) == ""
    assert "from about zero" in "".join(weights({"weights": {"compared": 1, "most_changed": [["x", 2e6]], "ranks": 7}}))


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta"])
def test_the_lower_half_of_an_encoder_is_what_comes_before_its_upper_blocks(kind: str) -> None:
    small = {"vocab_size": 30, "hidden_size": 8, "dim": 8, "num_hidden_layers": 4, "n_layers": 4}
    small |= {"num_attention_heads": 2, "n_heads": 2, "intermediate_size": 8, "hidden_dim": 8}
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(kind, **small))
    names = {id(one): name for name, one in model.named_parameters()}
    lower = [names[id(one)] for one in _lower_half(model)]
    blocks = {name.split(".layer.")[1][0] for name in lower if ".layer." in name}
    assert blocks == {"0", "1"}
    assert {name for name in names.values() if ".embeddings." in name} < set(lower)
    assert not [name for name in lower if "classifier" in name]


def test_of_a_model_without_blocks_there_is_no_lower_half() -> None:
    assert _lower_half(torch.nn.Sequential(torch.nn.Linear(2, 2))) == []
