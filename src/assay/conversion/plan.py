"""Which files of a model are converted, to what names, and which are only copied or left behind."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.conversion.result import Refused
from assay.core.errors import ContentError
from assay.formats.json_text import read_json
from assay.formats.sniff import HEAD_BYTES, TAIL_BYTES, sniff
from assay.formats.torch_state import check_growth, read_torch_state

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.core.snapshot import FileEntry
    from assay.formats.torch_state import TorchState

GROWTH = 4  # times the source that shared tensors may make of it
GROWTH_FLOOR = 64 << 20
_SUFFIX = re.compile(r"\.(?:bin|pt|pth|ckpt)$")
_INDEX = re.compile(r"\.(?:bin|pt|pth)\.index\.json$")
_PYTORCH = re.compile(r"^pytorch_(model[^/]*)$")
# What training writes beside the weights, by name; a loader never asks for it.
_TRAINING = re.compile(
    r"^(?:training_args|optimizer|optim|scheduler|scaler|rng_state)[\w.-]*\.(?:bin|pt|pth|ckpt|pkl)$"
)
_TORCH = frozenset(("torch-zip", "torch-legacy"))
_PICKLES = _TORCH | {"pickle", "torchscript", "torch-tar", "torch-export"}
_MAX_INDEX_BYTES = 64 << 20
_MAX_INDEX_DEPTH = 8


@dataclass(frozen=True)
class TorchJob:
    """One checkpoint to write as safetensors."""

    entry: FileEntry
    target: str
    state: TorchState


@dataclass
class Plan:
    """What is to be done with each file.

    Attributes:
        torch: checkpoints.
        estimators: pickled scikit-learn estimators (entries).
        copied: taken over as they are.
        left: path and reason.
        indices: index files to write: target path to (source path, document).
    """

    torch: list[TorchJob] = field(default_factory=list)
    estimators: list[FileEntry] = field(default_factory=list)
    copied: list[FileEntry] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    indices: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)


def make_plan(subject: Subject, key: str = "") -> Plan:
    """Sort the files, by content.

    Raises:
        Refused: weights that can't be converted, with the reason; nothing to convert.
    """
    plan = Plan()
    for entry in subject.snapshot.files:
        name = entry.path.rpartition("/")[2]
        readings = _readings(subject, entry)
        if _INDEX.search(entry.path):
            _index(subject, entry, plan)
        elif not _PICKLES.intersection(readings):
            plan.copied.append(entry)
        elif _TRAINING.match(name):
            plan.left.append((entry.path, "state of the training, not weights"))
        elif _TORCH.intersection(readings):
            plan.torch.append(_torch(subject, entry, key))
        elif "pickle" in readings:
            plan.estimators.append(entry)
        else:
            raise Refused(f"{entry.path}: {readings[0]} can't be converted", file=entry.path)
    if not plan.torch and not plan.estimators:
        raise Refused("nothing to convert: no PyTorch checkpoint and no pickle in it")
    _check_targets(plan)
    _check_indices(plan)
    return plan


def _readings(subject: Subject, entry: FileEntry) -> tuple[str, ...]:
    with subject.files.open(entry.path) as stream:
        head = stream.read(HEAD_BYTES)
        tail = head
        if entry.size > HEAD_BYTES:
            stream.seek(max(0, entry.size - TAIL_BYTES))
            tail = stream.read(TAIL_BYTES)
        return sniff(head, tail, entry.size, entry.path.rpartition("/")[2]).formats


def _torch(subject: Subject, entry: FileEntry, key: str) -> TorchJob:
    try:
        with subject.files.open(entry.path) as stream:
            state = read_torch_state(stream, entry.size, subject.limits, key=key)
        check_growth(state.places, entry.size, GROWTH, GROWTH_FLOOR)
    except ContentError as error:
        raise Refused(f"{entry.path}: {error}", file=entry.path) from error
    return TorchJob(entry, safe_name(entry.path), state)


def safe_name(path: str) -> str:
    """`pytorch_model-00001-of-00002.bin` is `model-00001-of-00002.safetensors`, `unet/x.bin` `unet/x.safetensors`."""
    folder, slash, name = path.rpartition("/")
    stem = _SUFFIX.sub("", name)
    if match := _PYTORCH.match(stem):
        stem = match.group(1)
    return f"{folder}{slash}{stem}.safetensors"


def _index(subject: Subject, entry: FileEntry, plan: Plan) -> None:
    """An index of shards: the same, with the new names."""
    if entry.size > _MAX_INDEX_BYTES:
        raise Refused(f"{entry.path}: longer than {_MAX_INDEX_BYTES} bytes", file=entry.path)
    try:
        with subject.files.open(entry.path) as stream:
            document = read_json(stream.read(_MAX_INDEX_BYTES), depth=_MAX_INDEX_DEPTH).value
        weights = dict(document["weight_map"])
    except (ContentError, KeyError, TypeError, ValueError) as error:
        raise Refused(f"{entry.path}: no index of shards: {error}", file=entry.path) from error
    if not all(isinstance(item, str) for pair in weights.items() for item in pair):
        raise Refused(f"{entry.path}: weight_map is no map of names to files", file=entry.path)
    target = safe_name(_INDEX.sub("", entry.path) + ".bin") + ".index.json"
    plan.indices[target] = (entry.path, document)
    plan.left.append((entry.path, f"written anew as {target}"))


def _check_targets(plan: Plan) -> None:
    """No two files may become one."""
    targets = [job.target for job in plan.torch]
    if twice := {name for name in targets if targets.count(name) > 1}:
        raise Refused(f"two files would both become {min(twice)}", file=min(twice))


def _check_indices(plan: Plan) -> None:
    """An index must say of each tensor where it really is; it is what loaders follow."""
    holds = {job.entry.path: {place.name for place in job.state.places} for job in plan.torch}
    for source, document in plan.indices.values():
        folder = source.rpartition("/")[0]
        for name, file in document["weight_map"].items():
            path = f"{folder}/{file}" if folder else file
            if name not in holds.get(path, ()):
                raise Refused(f"{source}: tensor {name[:100]!r} is not in {file[:100]!r}", file=source)
        listed = set(document["weight_map"])
        for file in set(document["weight_map"].values()):
            path = f"{folder}/{file}" if folder else file
            if missing := holds[path] - listed:
                raise Refused(f"{source}: tensor {min(missing)[:100]!r} of {file[:100]!r} is not listed", file=source)


def index_text(document: dict[str, Any]) -> str:
    """The index with the names of the safe files."""
    weights = {
        name: safe_name(file).rpartition("/")[2] if "/" not in file else safe_name(file)
        for name, file in document["weight_map"].items()
    }
    return json.dumps({**document, "weight_map": weights}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
