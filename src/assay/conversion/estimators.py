"""Pickled scikit-learn estimators to skops, and to ONNX where that answers the same; done and compared in the sandbox.

The pickle has to be loaded for it: only one that the scan found nothing in is, and only in the guest. What comes back
is a skops file, whose types are looked at once more outside.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from typing import TYPE_CHECKING, Any

from assay.conversion.result import Converted, Refused
from assay.core.digest import Digest
from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.containers.members import Budget
from assay.formats.containers.zip_archive import read_zip
from assay.formats.json_text import read_json
from assay.formats.skops import read_skops

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assay.conversion.guest import Witness
    from assay.core.inspector import Subject
    from assay.core.snapshot import FileEntry

MOST_BYTES = 256 << 20  # of one file that comes out of the sandbox
_LIBRARIES = frozenset(("builtins", "collections", "numpy", "scipy", "sklearn"))
_SUFFIX = re.compile(r"\.(?:pkl|pickle|joblib|jbl|sav|bin|model|z|gz)$")


def convert_estimators(
    subject: Subject, entries: Sequence[FileEntry], part: Path, witness: Witness
) -> tuple[list[Converted], dict[str, Any]]:
    """Write `NAME.skops`, and `NAME.onnx` where it is faithful.

    Args:
        subject: the model.
        entries: its pickles, scanned and clean.
        part: folder to write to.
        witness: the guest.

    Returns:
        What was written, and for each pickle what the guest says about it.

    Raises:
        Refused: a pickle is no estimator, or can't be written faithfully.
    """
    made: list[Converted] = []
    notes: dict[str, Any] = {}
    for entry in entries:
        job = {"task": "estimator", "source": f"{witness.root}/original/{entry.path}"}
        with subject.files.open(entry.path) as stream:
            answer = witness.ask([(f"original/{entry.path}", stream)], [job])[0]
        if isinstance(answer, str):
            raise Refused(f"{entry.path}: {answer}", file=entry.path)
        stem = _SUFFIX.sub("", entry.path)
        skops = _bytes(answer, "skops", entry.path)
        _check_skops(skops, entry.path)
        made.append(_written(part, entry, f"{stem}.skops", skops, "skops"))
        if onnx := _bytes(answer, "onnx", entry.path):
            made.append(_written(part, entry, f"{stem}.onnx", onnx, "onnx"))
        notes[entry.path] = {
            "class": str(answer.get("class"))[:200],
            "equal": [str(name)[:50] for name in answer.get("methods", [])[:10]],
            "onnx": "written" if onnx else str(answer.get("onnx_why"))[:300],
        }
    return made, notes


def _check_skops(data: bytes, path: str) -> None:
    """The file names nothing outside the libraries that an estimator is made of, whatever the guest says."""
    limits = Limits()
    try:
        archive = read_zip(io.BytesIO(data), len(data), limits)
        schema = next(member for member in archive.members if member.name == "schema.json")
        with archive.open(schema, Budget(limits, len(data))) as stream:
            nodes, _ = read_skops(read_json(stream.read(limits.header_bytes), depth=limits.json_depth).value)
    except (ContentError, StopIteration) as error:
        raise Refused(f"{path}: what came out of the sandbox is no skops file", file=path) from error
    for node in nodes:
        if node.module and node.module.split(".", 1)[0] not in _LIBRARIES:
            raise Refused(f"{path}: the skops file would need {node.module}.{node.name}"[:300], file=path)


def _bytes(answer: dict[str, Any], name: str, path: str) -> bytes:
    try:
        return base64.b64decode(str(answer.get(name, "")), validate=True)
    except binascii.Error as error:
        raise Refused(f"{path}: the worker's answer is broken", file=path) from error


def _written(part: Path, entry: FileEntry, target: str, data: bytes, kind: str) -> Converted:
    path = part / target
    if path.exists():
        raise Refused(f"{target} is in the model already", file=target)
    if len(data) > MOST_BYTES:
        raise ContentError(f"{target} would have {len(data)} bytes")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Converted(entry.path, entry.digest, target, Digest.of(data), f"sklearn-{kind}", 0, len(data))
