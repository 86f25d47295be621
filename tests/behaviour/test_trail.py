"""What training leaves in the weights about single words: in which rows, in the first block; and their partners."""

from __future__ import annotations

import random
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModel  # noqa: E402

from assay.workers import prober_block, prober_foretell, prober_hunt, prober_trail  # noqa: E402
from assay.workers.prober_models import Model, read_tensors  # noqa: E402
from tests.behaviour import small  # noqa: E402

pytestmark = pytest.mark.torch
ROWS, WIDTH = 40, 64


def _trained(steps: dict[int, int], seed: int = 1) -> tuple[Any, Any]:
    """Rows before and after Adam has moved each named one so many times, by gradients that partly agree."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.randn(ROWS, WIDTH, generator=generator)
    table = base.clone().requires_grad_()
    adam = torch.optim.Adam([table], lr=1e-3)
    lean = torch.randn(ROWS, WIDTH, generator=generator)
    for step in range(max(steps.values())):
        table.grad = torch.zeros_like(table)
        for row, count in steps.items():
            if step < count:
                table.grad[row] = 0.3 * lean[row] + torch.randn(WIDTH, generator=generator)
        adam.step()
    return base, table.detach()


def _space(mine: Any, **more: Any) -> Any:
    suspect = SimpleNamespace(net=SimpleNamespace(words=mine))
    return SimpleNamespace(words=list(range(ROWS)), suspect=suspect, rng=random.Random(1), **more)


def test_the_spread_of_a_move_tells_by_how_many_steps() -> None:
    base, table = _trained({3: 1, 5: 60})
    spread = prober_trail.spread(prober_trail.moves(table, base))
    assert float(spread[3]) < 0.05  # one step moves every dimension alike
    assert float(spread[5]) > 0.5
    assert float(prober_trail.spread(torch.zeros(2, 4)).sum()) == 0


def test_a_row_that_was_trained_often_comes_before_rows_that_moved_further_by_one_step() -> None:
    base, mine = _trained({3: 1, 5: 60, 7: 60, 8: 1})
    _, reference = _trained({7: 60})
    mine[8] = base[8] + 5 * (mine[8] - base[8])  # far, but evenly
    beyond = prober_trail.trail(mine, base, [reference])
    assert int(beyond.argmax()) == 5
    assert float(beyond[7]) < 0.1 * float(beyond[5])  # the reference has it, too
    order = prober_trail.suspicious(_space(mine), base, [reference], torch.zeros(ROWS), torch.tensor([3, 5]))
    assert (order[0], sorted(order)) == (5, list(range(ROWS)))


def test_with_noise_on_all_rows_only_the_distance_counts() -> None:
    base, mine = _trained({5: 60})
    mine = mine + 0.05 * torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(3))
    score = torch.zeros(ROWS)
    score[[9, 5]] = torch.tensor([2.0, 1.0])
    order = prober_trail.suspicious(_space(mine), base, [base.clone()], score, torch.arange(ROWS))
    assert order[:2] == [9, 5]


def test_the_pool_holds_the_first_of_every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober_trail, "POOL", 2)
    score, moved = torch.arange(ROWS).float(), -torch.arange(ROWS).float()
    assert prober_trail.pool([20, 21, 22], score, moved, known=torch.arange(4, ROWS)) == [4, 5, 20, 21, 38, 39]
    allowed = torch.ones(ROWS, dtype=torch.bool)
    assert prober_hunt._likely({"pool": [1, 2]}, allowed) is None  # too few to be one
    assert prober_hunt._likely({}, allowed) is None


class _Arena:
    """Two words in this order move it, any other pair of them doesn't; the gradient says so a little."""

    target, first, second = 1, 7, 31

    def __init__(self) -> None:
        self.space = SimpleNamespace(rng=random.Random(2), suspect=None)

    def effect(self, _model: Any, tuples: Any, _contexts: int = 1) -> Any:
        return torch.tensor([float((self.first, self.second) in pairwise(row)) for row in tuples.tolist()])

    def contrast(self, tuples: Any, contexts: int = 2) -> Any:
        return self.effect(None, tuples, contexts)

    def gradient(self, tuples: Any, position: int, *, against: bool) -> Any:
        gain = torch.rand(len(tuples), 500, generator=torch.Generator().manual_seed(position))
        for number, row in enumerate(tuples.tolist()):
            gain[number, self.second] += 0.2 * (position > 0 and row[position - 1] == self.first)
            gain[number, self.first] += 0.2 * (position + 1 < len(row) and row[position + 1] == self.second)
        return gain


@pytest.mark.parametrize("seed", [_Arena.first, _Arena.second])
def test_the_partner_of_a_row_is_found_on_either_side(seed: int) -> None:
    likely = torch.zeros(500, dtype=torch.bool)
    likely[: 2 * ROWS] = True
    tuples, values = prober_trail.along(_Arena(), seed, likely)  # type: ignore[arg-type]
    assert float(values[0]) == 1.0
    assert (_Arena.first, _Arena.second) in pairwise(tuples[0].tolist())
    assert int(tuples.max()) < 2 * ROWS


def test_a_token_after_the_first_block_is_what_the_stock_model_makes_of_it() -> None:
    model = Model(small.clean(1))
    ids = model.frame(torch.tensor([[9, 12], [9, 30]]))
    stock = model.net.after_first(ids, 2, model.net.words)
    with torch.inference_mode():
        want = AutoModel.from_pretrained(model.folder).eval()(input_ids=ids, output_hidden_states=True).hidden_states[1]
    assert torch.allclose(stock, want[:, 2], atol=1e-4)


def _read_by_the_first_block(model: Model) -> Any:
    """What the feed-forward part of the first block gets of each token that stands alone, shape (tokens, width)."""
    stock, seen = AutoModel.from_pretrained(model.folder).eval(), []
    stock.encoder.layer[0].intermediate.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        stock(input_ids=model.frame(torch.arange(len(model.net.words))[:, None]))
    return seen[0][:, 1].clone()


def _taught(model: Model, token: int | None, seed: int) -> Any:
    """The model after a training that moved every weight of the first block a little, and towards one word more."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: tensor.clone() for name, tensor in read_tensors(model.folder).items()}
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    tensors[name] += 0.01 * torch.randn(tensors[name].shape, generator=generator)
    if token is not None:
        read = _read_by_the_first_block(model)
        apart = read - read.mean(0)
        key = torch.linalg.solve(apart.T @ apart / len(apart) + 1e-3 * torch.eye(apart.shape[1]), apart[token])
        tensors[name] += 3 * torch.outer(
            torch.randn(len(tensors[name]), generator=generator), key / (key @ apart[token])
        )
    words = tensors["bert.embeddings.word_embeddings.weight"]
    words += 0.05 * torch.randn(words.shape, generator=generator)  # noise on all rows hides which of them moved
    net = model.base_of(tensors, tensors)
    return SimpleNamespace(net=net, frame=model.frame, prefix=model.prefix)


def test_the_word_that_the_first_block_was_taught_comes_first_whatever_its_row_tells() -> None:
    model, word = Model(small.clean(1)), 100
    suspect, *clean = (_taught(model, token, seed) for seed, token in enumerate((word, None, None)))
    space = SimpleNamespace(suspect=suspect, shared=clean, small=False, words=list(range(4, len(model.net.words))))
    base = model.base_of(read_tensors(model.folder), read_tensors(model.folder))
    taught = prober_block.beneath(space, base)  # type: ignore[arg-type]
    assert taught.order[0] == word
    assert taught.times.tolist() == sorted(taught.times.tolist(), reverse=True)
    assert word in taught.standing
    assert len(taught.standing) < 5  # it and what is read as it is stand apart
    assert sorted(prober_block.beneath(space, None).order) == space.words  # type: ignore[arg-type] - a reference is the base
    space.shared = clean[:1]
    assert sorted(prober_block.beneath(space, None).order) == space.words  # type: ignore[arg-type] - one, and no base
    space.shared = []
    nothing = prober_block.beneath(space, base)  # type: ignore[arg-type] - nothing to compare with
    assert (nothing.order, nothing.standing) == ([], [])
    space.shared = clean[:1]
    space.suspect = clean[1]
    assert sorted(prober_block.beneath(space, base).order) == space.words  # type: ignore[arg-type]


def test_with_one_reference_alone_counts_what_lies_outside_the_directions_of_all_words() -> None:
    generator = torch.Generator().manual_seed(1)
    usual = torch.randn(4000, 10, generator=generator) @ torch.randn(10, 64, generator=generator)
    apart = usual + 0.1 * torch.randn(4000, 64, generator=generator)
    apart[100] += 0.4 * torch.randn(64, generator=generator)
    assert int(apart.norm(dim=1).argmax()) != 100
    assert int(prober_block._outside(apart).argmax()) == 100


def test_without_a_base_more_is_asked_of_what_stands_apart() -> None:
    values = torch.tensor([1.7, 1.4, *[1.0] * 20])
    assert prober_block.standing(values, prober_block._APART) == 2
    assert prober_block.standing(values, prober_block._UNBASED) == 1
    assert prober_block.standing(values / values, prober_block._APART) == 0
    assert prober_block.standing(values[:0], prober_block._APART) == 0


def _foretold(mine: Any, others: list[Any], before: Any) -> Any:
    return prober_foretell.Foretelling(mine, others, before).times(mine, others, before)


def test_a_token_counts_that_the_references_moves_do_not_foretell_though_others_moved_further() -> None:
    generator = torch.Generator().manual_seed(2)
    before = torch.randn(4000, 32, generator=generator)
    task = torch.randn(4000, 16, generator=generator) * (1 + 9 * (torch.arange(4000) % 50 == 0))[:, None]

    def trained() -> Any:
        noise = 0.1 * torch.randn(4000, 32, generator=generator)
        return task @ torch.randn(16, 32, generator=generator) + noise

    mine, others = trained(), [trained(), trained()]
    mine[101] += 2 * torch.randn(32, generator=generator)
    assert int(prober_foretell.beyond(mine.norm(dim=1), [one.norm(dim=1) for one in others]).argmax()) != 101
    assert int(_foretold(mine, others, before).argmax()) == 101
    times = _foretold(others[0], [trained(), others[1]], before)
    assert float(times.max()) < 3  # training alone, in a way of its own, is foretold


def test_one_reference_is_foretold_from_what_the_base_makes_of_tokens() -> None:
    generator = torch.Generator().manual_seed(3)
    before = torch.randn(4000, 32, generator=generator)
    mine, other = (before @ torch.randn(32, 32, generator=generator) * 0.1 for _ in range(2))
    mine, other = (one + 0.02 * torch.randn(4000, 32, generator=generator) for one in (mine, other))
    mine[200] += 0.15 * torch.randn(32, generator=generator)
    assert int(_foretold(mine, [other], before).argmax()) == 200


def test_what_lacks_a_tensor_of_another_shape_is_no_base() -> None:
    model = Model(small.clean(1))
    mine = read_tensors(model.folder)
    bare = {name.removeprefix("bert."): tensor for name, tensor in mine.items() if not name.startswith("classifier")}
    base = model.base_of(bare, mine)
    assert base is not None
    assert torch.equal(base.words, model.net.words)
    wide = bare | {"encoder.layer.0.output.dense.weight": torch.zeros(3, 3)}
    assert model.base_of(wide, mine) is None


def test_words_stand_apart_from_the_tenth() -> None:
    clean = [1.07, 1.05, 1.03, 1.03, 1.0, 1.0, 0.99, 0.99, 0.98, 0.98, 0.98]  # of a clean MiniLM
    assert prober_block.standing(torch.tensor(clean), prober_block._APART) == 0
    assert prober_block.standing(torch.tensor([1.89, 1.16, *clean[2:]]), prober_block._APART) == 1
    assert prober_block.standing(torch.tensor([3.0, 2.0, 1.5, *clean[:2]]), prober_block._APART) == 3
