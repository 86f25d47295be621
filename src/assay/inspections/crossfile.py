"""Files that only mean something together: weights in two formats, and indexes of shards.

What it reads: the listing, shard indexes (`*.index.json`), and the tensors of weights that lie there twice, once as
safetensors and once as a pickle archive.
What it reports: index entries that leave the folder, point to an address or to a file that is not there; weights that
are there in two formats and differ; pickles that stock loaders take because no safetensors lies beside them; texts that
begin as a pickle would that imports a module of the same snapshot.
Why it matters: a reviewer looks at one of the two, and a loader may take the other.
What it cannot see: which file a given program loads; differences between tensors that can't be compared bytewise.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.formats.safetensors import read_safetensors

if TYPE_CHECKING:
    from collections import Counter

    from assay.core.inspector import Subject
    from assay.inspections.parts import Collector, Part

_SHARD = re.compile(r"[-.]\d{5}-of-\d{5}$")
_STORAGE = re.compile(r"(?:^|/)data/\d+$")
_PICKLED = frozenset(("torch-zip", "torch-legacy", "pickle"))
_PICKLE_NAMES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_LOADED = re.compile(
    r"(?:pytorch_model|adapter_model|diffusion_pytorch_model|model)(?:[-.][\w.-]+)?\.(?:bin|pt|pth|ckpt)$"
)
_IMPORT = re.compile(rb"c([A-Za-z_][\w.]{1,200})\n([A-Za-z_][\w.]{0,200})")
_IMPORT_BYTES = 512
_MODULES = (".py", ".pyc", ".so", ".pyd")
_COMPARED_BYTES = 8 << 30  # beyond it only sizes are compared
_CHUNK_BYTES = 1 << 20


@dataclass
class _Stretch:
    """A tensor's bytes in a file of the snapshot."""

    path: str
    offset: int
    size: int


@dataclass
class _Weights:
    """One model's weights in one format."""

    files: list[str] = field(default_factory=list)
    tensors: list[_Stretch] = field(default_factory=list)
    readable: bool = True


class CrossFile:
    """The inspector `cross-file`."""

    name = "cross-file"
    version = "1"

    def __init__(self) -> None:
        self._subject: Subject | None = None
        self._paths: frozenset[str] = frozenset()
        self._modules: frozenset[str] = frozenset()
        self._safe: dict[tuple[str, str], _Weights] = {}
        self._pickled: dict[tuple[str, str], _Weights] = {}

    def begin(self, subject: Subject, out: Collector) -> None:
        """Take the listing."""
        del out
        self._subject = subject
        self._paths = frozenset(entry.path for entry in subject.snapshot.files)

    def wants(self, part: Part) -> bool:
        """Weights and indexes that are files of the snapshot, and texts that begin with an import."""
        if "import-line" in part.formats:
            return True
        if part.inner:
            return False
        if part.path.endswith(".index.json"):
            return "json" in part.formats
        return "safetensors" in part.formats or bool(_PICKLED.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Judge an index or an import at once; note weights for the end."""
        if "import-line" in part.formats:
            self._import_line(part, out)
        if part.path.endswith(".index.json"):
            self._index(part, out)
        elif "safetensors" in part.formats:
            weights = self._safe.setdefault(_key(part.path), _Weights())
            weights.files.append(part.path)
            try:
                header = read_safetensors(part.stream, part.size, part.limits)
            except ContentError:
                weights.readable = False  # the inspector of safetensors says so
                return
            start = 8 + header.header_bytes
            weights.tensors += [_Stretch(part.path, start + t.start, t.end - t.start) for t in header.tensors]
        elif part.path.lower().endswith(_PICKLE_NAMES):
            weights = self._pickled.setdefault(_key(part.path), _Weights())
            weights.files.append(part.path)
            archive = next((c for c in part.containers if c.format == "zip"), None)
            weights.readable &= archive is not None
            for member in archive.members if archive else ():
                if member.method == "stored" and _STORAGE.search(member.name):
                    weights.tensors.append(_Stretch(part.path, member.offset, member.packed))

    def finish(self, out: Collector) -> None:
        """Compare what lies there twice."""
        for key, pickled in sorted(self._pickled.items()):
            safe = self._safe.get(key)
            if safe is not None:
                self._twins(safe, pickled, out)
            elif _LOADED.match(posixpath.basename(pickled.files[0])):
                out.at(pickled.files[0]).finding(
                    "weights-only-pickled", Severity.NOTE, Confidence.HIGH,
                    "stock loaders take this pickle: no safetensors of the same weights lies beside it",
                )  # fmt: skip

    def _import_line(self, part: Part, out: Collector) -> None:
        """Whoever loads this text as a pickle imports what its first two lines name, and fails then."""
        if (found := _IMPORT.match(part.stream.read(_IMPORT_BYTES))) is None:
            return
        module, name = (text.decode("ascii", "replace") for text in found.groups())
        inside = module.partition(".")[0] in self._own_modules()
        message = f"loaded as a pickle, this text imports {module}.{name} before it fails"
        if inside:
            message += f": {module} is a module of this snapshot"
        severity, confidence = (Severity.HIGH, Confidence.HIGH) if inside else (Severity.NOTE, Confidence.LOW)
        out.finding("text-imports", severity, confidence, message, offset=0, module=module, name=name)

    def _own_modules(self) -> frozenset[str]:
        """First names under which files of the snapshot could be imported."""
        if not self._modules:
            code = [path for path in self._paths if path.endswith(_MODULES)]
            stems = {posixpath.basename(path).split(".", 1)[0] for path in code}
            self._modules = frozenset(stems.union(*(posixpath.dirname(path).split("/") for path in code)) - {""})
        return self._modules

    def _twins(self, safe: _Weights, pickled: _Weights, out: Collector) -> None:
        place = out.at(pickled.files[0])
        facts: dict[str, Any] = {"safetensors": sorted(safe.files), "pickled": sorted(pickled.files)}
        if not (safe.readable and pickled.readable and pickled.tensors):
            message = "the same weights are there as a pickle and as safetensors; they could not be compared"
            place.finding("weights-twice", Severity.LOW, Confidence.MEDIUM, message, **facts)
            return
        sizes = sorted(t.size for t in safe.tensors) == sorted(t.size for t in pickled.tensors)
        total = sum(t.size for t in (*safe.tensors, *pickled.tensors))
        same = sizes and (total > _COMPARED_BYTES or self._sums(safe) == self._sums(pickled))
        if same:
            message = "the same weights are there as a pickle and as safetensors"
            place.finding("weights-twice", Severity.NOTE, Confidence.HIGH, message, **facts)
            return
        message = "the weights as a pickle are not those as safetensors" + ("" if sizes else ": other sizes")
        severity = Severity.MEDIUM if sizes else Severity.LOW
        place.finding("weights-differ", severity, Confidence.HIGH, message, **facts)

    def _sums(self, weights: _Weights) -> Counter[bytes]:
        """SHA-256 of every tensor."""
        from collections import Counter  # noqa: PLC0415

        assert self._subject is not None  # noqa: S101 - begin() came first
        sums: Counter[bytes] = Counter()
        for path in weights.files:
            with self._subject.files.open(path) as stream:
                sums.update(_digest(stream, t) for t in weights.tensors if t.path == path)
        return sums

    def _index(self, part: Part, out: Collector) -> None:
        data = part.read_all(part.limits.text_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.text_bytes} bytes")
            return
        try:
            value = read_json(data, depth=part.limits.json_depth).value
        except ContentError:
            return  # the inspector of configuration files says so
        shards = value.get("weight_map") if isinstance(value, dict) else None
        if not isinstance(shards, dict):
            return
        suffix = ".safetensors" if ".safetensors." in part.path else ""
        for name in sorted({str(item) for item in shards.values()}):
            self._shard(part.path, name, suffix, out)

    def _shard(self, index: str, name: str, suffix: str, out: Collector) -> None:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(index), name))
        if "://" in name or name.startswith(("/", "\\", "~")) or target.startswith("../") or ".." in name.split("/"):
            message = f"an index entry leaves the folder: {name!r}"
            out.finding("index-escape", Severity.HIGH, Confidence.HIGH, message, shard=name)
        elif suffix and not name.endswith(suffix):
            message = f"an index of safetensors names a file of another kind: {name!r}"
            out.finding("index-escape", Severity.MEDIUM, Confidence.HIGH, message, shard=name)
        elif target not in self._paths:
            message = f"names {name!r}, which is not here"
            out.finding("index-missing-shard", Severity.LOW, Confidence.HIGH, message, shard=name)


def _key(path: str) -> tuple[str, str]:
    """Folder and name of the weights, the same for all shards and formats of one model."""
    folder, base = posixpath.split(path)
    stem = base[: base.rfind(".")] if "." in base else base
    stem = _SHARD.sub("", stem)
    return folder, "model" if stem == "pytorch_model" else stem


def _digest(stream: BinaryIO, stretch: _Stretch) -> bytes:
    stream.seek(stretch.offset)
    left, digest = stretch.size, hashlib.sha256()
    while left > 0 and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.digest()
