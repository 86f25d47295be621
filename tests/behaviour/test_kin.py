"""What a model was made of: fine-tunes of a base that were really trained, and merges of them by the usual methods."""

from __future__ import annotations

import json
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from assay.behaviour.attest import Declared
from assay.behaviour.ground import known, resumed
from assay.behaviour.kinds import TEXT
from assay.store.folder import folder_subject
from assay.workers.prober_kin import kin, of_job, sampled
from tests.behaviour import small

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("behaviour")]
Tensors = dict[str, torch.Tensor]


def _trained(start: Tensors, seed: int, steps: int = 12) -> Tensors:
    """A fine-tune: three layers learn another target of the same inputs."""
    generator = torch.Generator().manual_seed(seed)
    made = {name: tensor.clone().requires_grad_() for name, tensor in start.items()}
    inputs = torch.randn(256, 128, generator=generator)
    wanted = torch.randn(256, 128, generator=generator)
    optimiser = torch.optim.AdamW(made.values(), lr=1e-3)
    for _ in range(steps):
        said = inputs
        for tensor in made.values():
            said = torch.tanh(said @ tensor)
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(said, wanted).backward()
        optimiser.step()
    return {name: tensor.detach() for name, tensor in made.items()}


@cache
def _family() -> tuple[Tensors, Tensors, Tensors]:
    """A base and two fine-tunes of it."""
    generator = torch.Generator().manual_seed(0)
    first = {f"encoder.layer.{i}.dense.weight": torch.randn(128, 128, generator=generator) / 11 for i in range(3)}
    base = _trained(first, 1)
    return base, _trained(base, 2), _trained(base, 3)


def _kin(mine: Tensors, base: Tensors | None, *others: Tensors) -> dict[str, Any]:
    return kin(sampled(mine), sampled(base) if base else None, [sampled(one) for one in others])


def _each(combine: Any) -> Tensors:
    base, one, two = _family()
    return {name: combine(base[name], one[name], two[name], index) for index, name in enumerate(base)}


def _weights(told: dict[str, Any]) -> dict[int, float]:
    return {one["model"]: pytest.approx(one["weight"], abs=0.03) for one in told["made_of"]}


def test_trainings_apart_and_one_that_went_on() -> None:
    base, one, two = _family()
    apart = _kin(one, base, two)
    assert (apart["how"], apart["made_of"], apart["repeated"], apart["sparse"]) == ("", [], [], 0.0)
    assert apart["explained"] < 0.5
    later = _kin(_trained(one, 4, 3), base, two, one)
    assert later["how"] == "continued"
    assert [part["model"] for part in later["made_of"]] == [1]
    assert _kin(_trained(one, 4, 3), None, two, one)["made_of"][0]["model"] == 1


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_a_linear_merge(kind: torch.dtype) -> None:
    base, one, two = _family()
    mine = _each(lambda _, a, b, __: (0.3 * a + 0.7 * b).to(kind))
    assert _kin(mine, base, one, two)["how"] == _kin(mine, None, one, two)["how"] == "merge"
    assert {0: 0.3, 1: 0.7} == _weights(_kin(mine, base, one, two)) == _weights(_kin(mine, None, one, two))
    part = _kin(_each(lambda _, a, b, __: (a + b) / 2), base, one)
    assert part["how"] == "shared", "with one of the two alone it can't be told from a common training"


def test_a_spherical_merge_that_differs_by_layer() -> None:
    def turned(_: torch.Tensor, a: torch.Tensor, b: torch.Tensor, index: int) -> torch.Tensor:
        share, angle = 0.2 + 0.3 * index, torch.arccos((a * b).sum() / a.norm() / b.norm())
        return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)

    base, one, two = _family()
    told = _kin(_each(turned), base, one, two)
    assert told["how"] == "merge"
    assert told["explained"] > 0.99
    for part in told["made_of"]:
        assert part["to"] - part["from"] > 0.5


def test_task_arithmetic_and_a_step_back_to_the_base() -> None:
    base, one, two = _family()
    added = _kin(_each(lambda o, a, b, _: o + (a - o) - 0.5 * (b - o)), base, one, two)
    assert (added["how"], {0: 1.0, 1: -0.5}) == ("merge", _weights(added))
    halved = _kin(_each(lambda o, a, _, __: o + 0.5 * (a - o)), base, one, two)
    assert (halved["how"], {0: 0.5}) == ("merge", _weights(halved))


def test_single_elements_of_both_are_seen_even_where_one_of_them_is_not_known() -> None:
    generator = torch.Generator().manual_seed(5)

    def dropped(o: torch.Tensor, a: torch.Tensor, b: torch.Tensor, _: int) -> torch.Tensor:
        return o + sum(0.5 * (x - o) * (torch.rand(o.shape, generator=generator) < 0.2) / 0.2 for x in (a, b))

    def trimmed(o: torch.Tensor, a: torch.Tensor, b: torch.Tensor, _: int) -> torch.Tensor:
        first, second = ((x - o) * ((x - o).abs() >= (x - o).abs().quantile(0.8)) for x in (a, b))
        sign = torch.sign(first + second)
        first, second = first * (torch.sign(first) == sign), second * (torch.sign(second) == sign)
        return o + (first + second) / ((first != 0).float() + (second != 0).float()).clamp(min=1)

    base, one, two = _family()
    for method, ratio in ((dropped, 2.5), (trimmed, 1.0)):
        mine = _each(method)
        both, alone, unknown = _kin(mine, base, one, two), _kin(mine, base, one), _kin(mine, base)
        assert both["how"] == alone["how"] == "elements"
        assert sorted(part["model"] for part in both["made_of"]) == [0, 1]
        assert both["made_of"][0]["each"] == pytest.approx(ratio, rel=0.01)
        assert unknown["sparse"] > 0.5
        told = dict(known(Declared(), TEXT, {"kin": unknown}))
        assert "as TIES and DARE leave them" in told["sparse-move"]


def test_layers_that_stand_twice_or_come_from_elsewhere_in_the_base() -> None:
    base, one, _ = _family()
    zero, two = (f"encoder.layer.{number}.dense.weight" for number in (0, 2))
    told = _kin({**one, "encoder.layer.7.dense.weight": one[zero], "encoder.layer.8.dense.weight": base[two]}, base)
    assert [["encoder.layer.7.dense.weight", zero], ["encoder.layer.8.dense.weight", f"base:{two}"]] == told["repeated"]
    assert "2 matrices are another layer's" in dict(known(Declared(), TEXT, {"kin": told}))["repeated-layers"]


def test_folders_of_models_and_what_is_said(tmp_path: Path) -> None:
    first, second = small.clean(1), small.clean(2)
    mixed = tmp_path / "mixed"
    shutil.copytree(first, mixed)
    one, two = (load_file(folder / "model.safetensors") for folder in (first, second))
    merged = {name: 0.6 * one[name] + 0.4 * two[name] for name in one}
    save_file(merged, mixed / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "empty").mkdir()
    job = {"model": str(mixed), "base": None, "references": [str(first)], "kin": [str(tmp_path / "empty"), str(second)]}
    opened = {"kin": json.loads(json.dumps(of_job(job)))}
    declared = Declared(references=(folder_subject(first),), kin=(folder_subject(first), folder_subject(second)))
    told = dict(known(declared, TEXT, opened))
    said, unread = told["merge"], told["kin-unread"]
    mine, theirs = (str(folder_subject(one).snapshot.id)[:19] for one in (first, second))
    assert said == f"a merge: 100% of its move is 0.6 of {mine}…, 0.4 of {theirs}…"
    assert unread == f"no tensor of {mine}… could be compared: what was made of it is not told"
    assert of_job(job | {"model": str(tmp_path / "empty")}) == {}


@pytest.mark.parametrize(
    "told",
    [None, 7, {"made_of": [{"model": 9, "weight": 1}], "how": "merge"}, {"repeated": [[1]], "unread": [True, 9, "0"]}],
)
def test_nonsense_of_a_worker_says_nothing(told: object) -> None:
    assert not {"merge", "repeated-layers", "kin-unread"} & dict(known(Declared(), TEXT, {"kin": told})).keys()


def test_a_resumed_run_says_so() -> None:
    assert resumed([]) == []
    assert resumed(["tokenizer"])[0][1] == "1 probe was kept from a run that was interrupted: tokenizer"


def test_a_base_that_is_not_the_models_own_is_set_aside() -> None:
    base, one, two = _family()
    false = {name: tensor.flip(0) for name, tensor in base.items()}
    assert _kin(one, false, two)["how"] == ""  # both are as far from it, in the same direction
    assert _kin(_each(lambda _, a, b, __: (a + b) / 2), false, one, two)["how"] == "merge"
