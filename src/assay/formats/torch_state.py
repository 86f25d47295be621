"""PyTorch checkpoints as places in a file: which tensors are in it, and where their bytes lie. No byte is moved.

Both layouts of `torch.save` are read (`torch/serialization.py`): the zip of 1.6 and later, and the stream before it.
Little-endian only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.errors import ContentError, LimitExceeded
from assay.formats.containers.zip_archive import read_zip
from assay.formats.safetensors import DTYPE_BITS
from assay.formats.tensor_place import Place, row_order
from assay.formats.torch_pickle import Other, Storage, TensorRef, TorchPickle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.limits import Limits
    from assay.formats.containers.members import Member

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Keys under which training code keeps a model's weights, in the order in which they are looked for.
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "params_ema", "params", "net", "generator")
_WINDOW = 1 << 20  # what of a legacy file is read first to find its pickles
_GROWTH = 8  # times as much is read when they are longer
_MAX_DEPTH = 8


@dataclass(frozen=True)
class TorchState:
    """A checkpoint that was read.

    Attributes:
        places: its tensors, in the order of the state dict.
        key: wrapper that they stood under; empty for a plain state dict.
        shared: groups of names whose tensors use the same bytes.
        left_out: what else is in it, and is no tensor of the state dict: path and kind.
        legacy: the layout before PyTorch 1.6.
    """

    places: tuple[Place, ...]
    key: str
    shared: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...]
    legacy: bool


def read_torch_state(stream: BinaryIO, size: int, limits: Limits, *, key: str = "") -> TorchState:
    """Read which tensors a checkpoint has and where.

    Args:
        stream: seekable.
        size: of the file.
        limits: `members`, `header_bytes`.
        key: wrapper to take, where there are several.

    Raises:
        ContentError: not a checkpoint of dense tensors in dicts, with the reason.
        LimitExceeded: past a limit.
    """
    stream.seek(0)
    legacy = stream.read(4) != b"PK\x03\x04"
    value, storages = (_legacy if legacy else _archive)(stream, size, limits)
    found, named, left_out = _state_dict(value, key)
    places = tuple(_place(name, tensor, storages) for name, tensor in found.items())
    if not places:
        raise ContentError("no tensors in it")
    return TorchState(places, named, _shared(places), tuple(left_out), legacy)


def _archive(stream: BinaryIO, size: int, limits: Limits) -> tuple[Any, dict[str, tuple[int, int]]]:
    archive = read_zip(stream, size, limits)
    if bad := [*archive.anomalies, *(note for member in archive.members for note in member.anomalies)]:
        raise ContentError(f"the archive contradicts itself: {bad[0].detail}")
    members = {member.name: member for member in archive.members if member.kind == "file"}
    pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ContentError("no checkpoint: the archive does not have exactly one data.pkl")
    root = pickles[0].removesuffix("data.pkl")
    if any(name.startswith(f"{root}code/") for name in members) or f"{root}constants.pkl" in members:
        raise ContentError("a TorchScript program, not a state dict")
    order = members.get(f"{root}byteorder")
    if order is not None and _content(stream, order, 16) != b"little":
        raise ContentError("the checkpoint is big-endian")
    member = members[pickles[0]]
    value = TorchPickle(_content(stream, member, limits.header_bytes)).read()
    storages = {}
    for name, one in members.items():
        if name.startswith(f"{root}data/"):
            if one.method != "stored":
                raise ContentError("a storage is compressed; PyTorch never writes that")
            storages[name.removeprefix(f"{root}data/")] = (one.offset, one.packed)
    return value, storages


def _content(stream: BinaryIO, member: Member, most: int) -> bytes:
    if member.method != "stored" or member.packed > most:
        raise ContentError(f"{member.name[:100]!r} is compressed, or longer than {most} bytes")
    stream.seek(member.offset)
    return stream.read(member.packed)


def _legacy(stream: BinaryIO, size: int, limits: Limits) -> tuple[Any, dict[str, tuple[int, int]]]:
    window, most = _WINDOW, min(size, limits.header_bytes)
    while True:
        stream.seek(0)
        reader = TorchPickle(stream.read(min(window, most)))
        if reader.read() != LEGACY_MAGIC:
            raise ContentError("not a PyTorch checkpoint")
        try:
            return _pickles(reader, stream, size)
        except ContentError:
            if window >= most:
                raise
            window *= _GROWTH  # the pickles may go on behind it


def _pickles(reader: TorchPickle, stream: BinaryIO, size: int) -> tuple[Any, dict[str, tuple[int, int]]]:
    """What follows the magic number in the old layout: four pickles; and where the storages behind them lie."""
    reader.read()
    system = reader.read()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ContentError("the checkpoint is big-endian")
    value = reader.read()
    keys = reader.read()
    if not isinstance(keys, list) or not all(isinstance(item, str) for item in keys):
        raise ContentError("the list of storages can't be read")
    widths = _widths(value)
    position = reader.position
    storages: dict[str, tuple[int, int]] = {}
    for key in keys:
        stream.seek(position)
        count = int.from_bytes(stream.read(8), "little")
        length = count * widths.get(key, 1)
        if position + 8 + length > size:
            raise ContentError("the checkpoint is cut off")
        storages[key] = (position + 8, length)
        position += 8 + length
    return value, storages


def _widths(value: Any) -> dict[str, int]:
    """Bytes of an element of each storage."""
    return {
        one.storage.key: DTYPE_BITS[one.storage.dtype] // 8 if one.storage.dtype else 1 for one in _tensors_in(value, 0)
    }


def _tensors_in(value: Any, depth: int) -> Iterator[TensorRef]:
    if isinstance(value, TensorRef):
        yield value
    elif depth < _MAX_DEPTH and isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors_in(item, depth + 1)


def _state_dict(value: Any, wanted: str) -> tuple[dict[str, TensorRef], str, list[str]]:
    """The tensors by name, the wrapper's key, and what is left out."""
    if not isinstance(value, dict):
        raise ContentError(f"it holds {_kind(value)}, not a dict of tensors")
    plain = {name: item for name, item in value.items() if isinstance(item, TensorRef)}
    if plain and not wanted:
        return _named(plain), "", [f"{name}: {_kind(item)}" for name, item in value.items() if name not in plain]
    usual = [name for name in WRAPPERS if _holds_tensors(value.get(name))]
    others = [name for name, item in value.items() if _holds_tensors(item) and isinstance(name, str)]
    candidates = [wanted] if wanted else usual or [name for name in others if not _is_training(name)]
    if not candidates or candidates[0] not in others:
        raise ContentError("no dict of tensors in it, nor one under a usual key")
    if len(candidates) > 1:
        shown = ", ".join(candidates[:5])
        raise ContentError(f"several dicts of tensors in it ({shown}): name the one to take with --key")
    key = candidates[0]
    inner = value[key]
    left = [f"{name}: {_kind(item)}" for name, item in value.items() if name != key]
    left += [f"{key}.{name}: {_kind(item)}" for name, item in inner.items() if not isinstance(item, TensorRef)]
    return _named({name: item for name, item in inner.items() if isinstance(item, TensorRef)}), key, left


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(item, TensorRef) for item in value.values())


def _is_training(name: str) -> bool:
    return any(part in name.lower() for part in ("optim", "sched", "rng", "scaler"))


def _named(found: dict[Any, TensorRef]) -> dict[str, TensorRef]:
    for name in found:
        if not isinstance(name, str) or not name or name == "__metadata__" or not _speakable(name):
            raise ContentError(f"a tensor's name can't stand in a header: {str(name)[:100]!r}")
    return found


def _speakable(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    if isinstance(value, Other):
        return value.kind
    return {dict: "a dict", list: "a list", tuple: "a tuple", type(None): "None"}.get(
        type(value), "a tensor" if isinstance(value, TensorRef) else f"a value of type {type(value).__name__}"
    )


def _place(name: str, tensor: TensorRef, storages: dict[str, tuple[int, int]]) -> Place:
    storage: Storage = tensor.storage
    if storage.key not in storages:
        raise ContentError(f"tensor {name[:100]!r} needs the storage {storage.key[:100]!r}, which is not there")
    start, length = storages[storage.key]
    width = DTYPE_BITS[tensor.dtype] // 8
    elements = math.prod(tensor.shape)
    last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True)) if elements else -1
    if (tensor.offset + last + 1) * width > length:
        raise ContentError(f"tensor {name[:100]!r} reaches beyond its storage")
    stride = () if row_order(tensor.shape, tensor.stride) or not elements else tensor.stride
    return Place(
        name, tensor.dtype, tensor.shape, start + tensor.offset * width, elements * width, stride, (last + 1) * width
    )


def _shared(places: tuple[Place, ...]) -> tuple[tuple[str, ...], ...]:
    """Names whose tensors begin at the same byte."""
    groups: dict[int, list[str]] = {}
    for place in places:
        if place.size:
            groups.setdefault(place.start, []).append(place.name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def check_growth(places: tuple[Place, ...], size: int, ratio: int, floor: int) -> int:
    """Bytes that the tensors need in row order.

    Raises:
        LimitExceeded: more than `ratio` times the file and more than `floor`: many names for few bytes.
    """
    needed = sum(place.size for place in places)
    if needed > max(floor, ratio * size):
        raise LimitExceeded("expansion_ratio", f"{needed} bytes of tensors in a file of {size}: they share their bytes")
    return needed
