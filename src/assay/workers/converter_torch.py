"""Checkpoints before and after, through the loaders that people use: `torch.load` and `safetensors`, then transformers.

Tensors are mapped, not read, and compared one at a time; those of the layout before PyTorch 1.6 storage by storage.
"""

from __future__ import annotations

import gc
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open

from assay.workers.answers import Json, Unfit, Witnessing
from assay.workers.converter_legacy import noting

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT = 20  # differences that are told
_SLICE = 16 << 20  # bytes that are brought into order at a time
_SEED = 20_260_101
_ROWS, _LENGTH = 2, 8  # of the probe's input
_SAMPLES = 16_000  # one second of sound


def compare(job: Json) -> Witnessing:
    """Hold a checkpoint against the safetensors file that was written from it; yields (tensors done, tensors in all).

    Args:
        job: `source`, `written`: paths; `key`: wrapper of the state dict; `subset`: names may be missing.

    Returns:
        `{"same": count, "differences": [text, …]}`
    """
    same, differences = 0, []
    with ExitStack() as stack, safe_open(job["written"], framework="pt") as written:
        tensors, in_turn = _tensors(job["source"], job["key"], stack)
        names = set(written.keys())
        missing = set() if job["subset"] else tensors.keys() - names
        differences += [f"{name[:200]}: in one file only" for name in sorted(missing | (names - tensors.keys()))]
        both = ((name, tensor) for name, tensor in in_turn if name in names)
        for done, (name, tensor) in enumerate(both, start=1):
            why = _difference(tensor, written.get_tensor(name))
            same += not why
            differences += [f"{name[:200]}: {why}"] if why else []
            yield done, len(tensors)
    return {"same": same, "differences": differences[:_KEPT]}


def _tensors(
    path: str, key: str, stack: ExitStack
) -> tuple[dict[str, torch.Tensor], Iterator[tuple[str, torch.Tensor]]]:
    """The tensors, weights only, and the same in the order in which their bytes can be looked at."""
    if zipfile.is_zipfile(path):
        found = _state(torch.load(path, map_location="cpu", weights_only=True, mmap=True), key)
        return found, iter(found.items())
    file = stack.enter_context(Path(path).open("rb"))  # noqa: SIM115 - the stack closes it
    with noting() as storages:
        found = _state(torch.load(file, map_location="cpu", weights_only=True), key)
    if storages is not None and storages.cover(found):
        return found, storages.in_turn(found, file)
    file.seek(0)
    found = _state(torch.load(file, map_location="cpu", weights_only=True), key)
    return found, iter(found.items())


def _state(loaded: Any, key: str) -> dict[str, torch.Tensor]:
    held = loaded[key] if key else loaded
    return {name: value for name, value in held.items() if isinstance(value, torch.Tensor)}


def _difference(one: torch.Tensor, other: torch.Tensor) -> str:
    """How two tensors differ; empty for the same type, shape and bits."""
    if one.dtype != other.dtype:
        return f"{one.dtype} is {other.dtype}"
    if one.shape != other.shape:
        return f"{list(one.shape)} is {list(other.shape)}"
    return "" if _same_bits(one, other) else "other bits"


def _same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """By rows where one of them would have to be copied to lie in order."""
    if one.dim() == 0 or not one.numel() or (one.is_contiguous() and other.is_contiguous()):
        return torch.equal(_bits(one), _bits(other))
    rows = max(1, _SLICE * one.shape[0] // (one.numel() * one.element_size()))
    return all(
        torch.equal(_bits(one[at : at + rows]), _bits(other[at : at + rows])) for at in range(0, one.shape[0], rows)
    )


def _bits(value: torch.Tensor) -> torch.Tensor:
    plain = value.detach()
    if plain.is_complex():
        plain = torch.view_as_real(plain)
    return plain.contiguous().reshape(-1).view(torch.uint8)


def probe(job: Json) -> Witnessing:
    """One forward pass of the model before and after on the same input; yields (models done, 2).

    Args:
        job: `original`, `converted`: folders.

    Returns:
        `{"class": name, "outputs": count, "equal": bool}`
    """
    import transformers  # noqa: PLC0415 - seconds, and only where there is a config

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call, unused-ignore]
    torch.set_num_threads(1)  # the same order of additions, both times
    config = transformers.AutoConfig.from_pretrained(job["original"], trust_remote_code=False)
    names = getattr(config, "architectures", None) or []
    kind = getattr(transformers, str(names[0]), None) if names else None
    kind = kind or transformers.AutoModel
    outputs = []
    for number, (folder, safe) in enumerate(((job["original"], False), (job["converted"], True)), start=1):
        torch.manual_seed(_SEED)  # weights that the files lack are drawn alike
        model = kind.from_pretrained(folder, use_safetensors=safe, trust_remote_code=False).eval()
        with torch.inference_mode():
            outputs.append(_flat(model(**_inputs(model))))
        del model
        gc.collect()
        yield number, 2
    before, after = outputs
    equal = len(before) == len(after) and all(
        not _difference(one, other) for one, other in zip(before, after, strict=True)
    )
    return {"class": kind.__name__, "outputs": len(before), "equal": equal}


def _inputs(model: Any) -> dict[str, torch.Tensor]:
    config, name = model.config, model.main_input_name
    torch.manual_seed(_SEED)
    if name == "input_ids":
        vocabulary = int(getattr(config, "vocab_size", 0) or config.get_text_config().vocab_size)
        ids = torch.randint(0, vocabulary, (_ROWS, _LENGTH))
        found = {"input_ids": ids}
        if getattr(config, "is_encoder_decoder", False):
            found["decoder_input_ids"] = ids.flip(1)
        return found
    if name == "pixel_values":
        size = getattr(config, "image_size", 224)
        height, width = size if isinstance(size, list | tuple) else (size, size)
        return {name: torch.randn(1, int(getattr(config, "num_channels", 3)), int(height), int(width))}
    if name == "input_values":
        return {name: torch.randn(1, _SAMPLES)}
    raise Unfit(f"no probe for a model whose input is {name!r}")


def _flat(value: Any) -> list[torch.Tensor]:
    """Every tensor of an output, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in _flat(item)]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in _flat(item)]
    return []
