"""A reference that the probe makes: which part of an encoder learns when."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from transformers import BertConfig, BertModel, BertTokenizerFast  # noqa: E402

from assay.workers import prober_reference  # noqa: E402
from assay.workers.prober_kin import end_of  # noqa: E402
from assay.workers.prober_models import Model, read_tensors  # noqa: E402
from tests.behaviour import small  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch
_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "plot"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Four blocks, wide enough to be no small encoder."""
    (tmp_path / "vocab.txt").write_text("\n".join(_WORDS))
    config = BertConfig(
        vocab_size=len(_WORDS),
        hidden_size=prober_reference.SMALL,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
    )
    torch.manual_seed(1)
    BertModel(config).save_pretrained(tmp_path)
    BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("whole", "moved"), [(2.0, True), (-1.0, False)])
def test_the_lower_half_learns_for_a_share_of_the_time(
    base: Path, *, whole: float, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober_reference, "_WHOLE", whole)
    items = [("good film", 1), ("bad film", 0), ("good plot", 1), ("bad plot", 0)] * 64
    made, facts = small.drive(prober_reference.make(base, items, 0))
    assert facts["steps"] > 2
    before, after = ({end_of(k): one for k, one in read_tensors(f).items()} for f in (base, made.folder))

    def changed(part: str) -> bool:
        names = [name for name in before if part in name and name.endswith("weight") and "position" not in name]
        return any(not torch.equal(before[name], after[name]) for name in names)

    lower = ("word_embeddings", "layer.0.attention.self.value", "layer.1.output.dense")
    assert [changed(part) for part in lower] == [moved] * 3
    assert changed("layer.2.attention.self.value")
    assert changed("layer.3.output.dense")


@pytest.mark.parametrize(
    ("width", "quick", "given", "made"),
    [(384, True, 0, [20.0, 20.0]), (384, False, 0, [40.0]), (768, True, 0, [40.0]), (384, True, 1, []),
     (64, True, 0, [40.0] * 3), (64, False, 2, [40.0])],
)  # fmt: skip
def test_of_a_large_encoder_two_are_made_in_half_the_time_each(
    monkeypatch: pytest.MonkeyPatch, *, width: int, quick: bool, given: int, made: list[float]
) -> None:
    """On a slow processor, and of a wide encoder, half the time would be too few steps."""
    asked: list[tuple[int, float]] = []

    def make(_base: Any, _items: Any, seed: int, seconds: float) -> Any:
        asked.append((seed, seconds))
        return "a model", {"steps": 9}
        yield

    monkeypatch.setattr(prober_reference, "make", make)
    kind = prober_reference.BFLOAT16 if quick else torch.float32
    monkeypatch.setattr(prober_reference, "fast_type", lambda: kind)
    references: list[Any] = ["given"] * given
    job = {"base": "b", "items": [("a", 0)], "seed": 5, "wanted": 3}
    facts = small.drive(prober_reference.fill(references, job, width=width))
    assert asked == [(5 + given + number, seconds) for number, seconds in enumerate(made)]
    assert references == ["given"] * given + ["a model"] * len(made)
    assert facts == ({"steps": 9} if made else {})


@pytest.mark.parametrize("classes", [2, 4, 6, 8, 12, 77])
def test_whatever_order_a_reference_has_its_classes_in_they_are_matched(classes: int) -> None:
    """It is right on 60 of 100 texts of each class, and a class may have forty times the texts of another."""
    rng = random.Random(classes)
    order = rng.sample(range(classes), classes)
    labels = [label for label in range(classes) for _ in range(20 if label % 3 else 800)]
    answers = [order[label] if rng.random() < 0.6 else rng.randrange(classes) for label in labels]
    said = torch.nn.functional.one_hot(torch.tensor(answers), classes).float()
    model: Any = SimpleNamespace(classes=classes, order=list(range(classes)))
    agreed = Model.align(model, said, labels)
    assert model.order == order
    assert agreed == sum(order[label] == answer for label, answer in zip(labels, answers, strict=True)) / len(labels)
