"""Labelled images of `--data`: a folder with one folder for each class, a table that names images, Parquet, or .npz.

Nothing is decoded here: the bytes go into the sandbox as they are.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from dataclasses import dataclass
from pathlib import Path

from assay.behaviour.data_file import natural, parquet_rows
from assay.core.digest import Digest
from assay.core.errors import UsageError

MOST_OF_A_CLASS = 80
MOST_IMAGES = 4000
MAX_IMAGE_BYTES = 16 << 20
MAX_BYTES = 512 << 20
_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
_IMAGE, _LABEL = ("image", "file", "file_name", "path"), ("label", "labels", "class")


@dataclass(frozen=True)
class Pictured:
    """Images with classes, undecoded.

    Attributes:
        files: bytes of each image; of a packed one the whole .npz.
        labels: class of each, in the order of its sorted name; empty when packed.
        names: of the classes; empty when packed.
        digest: of everything that was read.
        packed: one .npz with arrays `images` and `labels`.
    """

    files: tuple[bytes, ...]
    labels: tuple[int, ...]
    names: tuple[str, ...]
    digest: Digest
    packed: bool = False


def read_images(path: Path) -> Pictured:
    """Read images; of each class at most 80, drawn from all of them.

    Raises:
        UsageError: missing, too large, or nothing with an image and a class in it.
        EnvironmentFault: Parquet without pyarrow.
    """
    try:
        if path.is_dir():
            return _drawn([(one, one.parent.name) for one in sorted(path.glob("*/*")) if _is_image(one)], path)
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: longer than {MAX_BYTES} bytes", hint="give a sample")
        raw = path.read_bytes()
        if path.suffix.lower() == ".npz":
            return Pictured((raw,), (), (), Digest.of(raw), packed=True)
        return _drawn(_records(path, raw), path)
    except OSError as error:
        raise UsageError(f"can't read {error.filename or path}: {error.strerror}", hint="check the path") from error


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and path.is_file()


def _records(path: Path, raw: bytes) -> list[tuple[Path | bytes, str]]:
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            rows = parquet_rows(raw, "install pyarrow, or give a folder of images")
        elif kind in {".jsonl", ".ndjson", ".json"}:
            rows = [json.loads(line) for line in raw.decode("utf-8-sig").splitlines() if line.strip()]
        else:
            tabs = kind == ".tsv"
            rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig")), delimiter="\t" if tabs else ","))
    except (UnicodeDecodeError, ValueError, csv.Error, RecursionError) as error:
        raise UsageError(
            f"{path}: not a table of images: {error}", hint="a folder, CSV, JSONL, Parquet or .npz"
        ) from error
    found: list[tuple[Path | bytes, str]] = []
    for row in rows:
        if not isinstance(row, dict):
            continue
        image = next((row[key] for key in _IMAGE if row.get(key)), None)
        label = next((row[key] for key in _LABEL if row.get(key) is not None), None)
        image = image.get("bytes") if isinstance(image, dict) else image
        if label is not None and isinstance(image, bytes | str):
            found.append((image if isinstance(image, bytes) else path.parent / image, str(label)))
    return found


def _drawn(named: list[tuple[Path, str]] | list[tuple[Path | bytes, str]], path: Path) -> Pictured:
    names = sorted({label for _, label in named}, key=natural)
    if len(names) < 2:  # noqa: PLR2004
        raise UsageError(
            f"{path}: no images of two classes", hint="one folder for each class, or columns image and label"
        )
    rng = random.Random(0)  # noqa: S311 - a sample
    picked: list[tuple[Path | bytes, int]] = []
    most = max(8, min(MOST_OF_A_CLASS, MOST_IMAGES // len(names)))
    for number, name in enumerate(names):
        mine = [image for image, label in named if label == name]
        picked += [(one, number) for one in (mine if len(mine) <= most else rng.sample(mine, most))]
    digest, files = hashlib.sha256(), []
    for image, label in picked:
        if isinstance(image, Path) and image.stat().st_size > MAX_IMAGE_BYTES:
            raise UsageError(f"{image}: longer than {MAX_IMAGE_BYTES} bytes", hint="give smaller images")
        data = image.read_bytes() if isinstance(image, Path) else image
        digest.update(f"{label} ".encode() + hashlib.sha256(data).digest())
        files.append(data)
    if sum(map(len, files)) > MAX_BYTES:
        raise UsageError(f"{path}: more than {MAX_BYTES} bytes of images", hint="give a sample")
    return Pictured(tuple(files), tuple(label for _, label in picked), tuple(names), Digest(digest.hexdigest()))
