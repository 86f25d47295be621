"""The library's own forward pass, where the fast one is not the same: how long a text may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from transformers import (  # noqa: E402
    BertConfig,
    BertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from assay.workers import prober_models  # noqa: E402
from assay.workers.prober_models import Model, Stock  # noqa: E402
from tests.behaviour import small  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("config", "kind", "longest"),
    [(BertConfig, BertForSequenceClassification, 20), (RobertaConfig, RobertaForSequenceClassification, 18)],
)
def test_a_text_is_as_long_as_there_are_positions_behind_that_of_padding(
    config: type, kind: type, longest: int, tmp_path: Path
) -> None:
    read = config(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=20, pad_token_id=1, type_vocab_size=1,
    )  # fmt: skip
    kind(read).save_pretrained(tmp_path)
    stock = Stock(tmp_path)
    assert stock.limit == longest
    assert stock.logits(torch.full((2, longest), 5)).shape == (2, 2)
    with pytest.raises((RuntimeError, IndexError)):
        stock.logits(torch.full((2, longest + 1), 5))


def test_where_half_the_digits_are_too_few_the_own_forward_pass_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean byte-level encoder answered otherwise in bfloat16: it was read by the library's, and not to the end."""
    monkeypatch.setattr(prober_models, "SAME_CLASS", 1.1)
    model = Model(small.clean(1))
    assert model.net.own
    assert (model.fidelity["forward"], model.fidelity["type"]) == ("own", "torch.float32")
    rows = torch.randint(5, len(model.net.words), (8, 6))
    assert torch.equal(model.net.logits(rows), model.net.logits(rows, exact=True))
    monkeypatch.setattr(prober_models, "SAME_CLASS", 0.0)
    other: Any = Model(small.clean(2))
    other.net.fast = torch.bfloat16
    prober_models.compute_alike(model, [other])
    assert other.net.fast is torch.float32
    monkeypatch.setattr(prober_models, "FAITHFUL", -1.0)
    assert not Model(small.clean(1)).net.own
