"""Scan, start-up and vet against the machine's own limits: hashing, a bare interpreter, read + hash + write."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from yardstick import ASSAY, Row, at_most, command, timed

MIB = 1 << 20
CHUNK = 4 * MIB


def write_safetensors(path: Path, size: int) -> None:
    """A valid safetensors file with one F32 tensor a 64 MiB, `size` bytes in all."""
    count = max(1, size // (64 * MIB))
    step = size // count // 4 * 4
    header = {
        f"t{i}": {"dtype": "F32", "shape": [step // 4], "data_offsets": [i * step, (i + 1) * step]}
        for i in range(count)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = os.urandom(MIB)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        left = step * count
        while left:
            left -= out.write(block[:left])


def write_state_dict(path: Path, size: int) -> None:
    """What `torch.save` writes for a state dict with one big storage, `size` bytes."""
    count = size // 4
    integer = b"\x8a\x08" + struct.pack("<q", count)
    pid = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" + integer + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + b"K\x00" + integer + b"\x85K\x01\x85\x89" + hooks + b"tR"
    block = os.urandom(MIB)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}X\x01\x00\x00\x00w" + tensor + b"s.")
        with archive.open("archive/data/0", "w", force_zip64=True) as out:
            left = 4 * count
            while left:
                left -= out.write(block[:left])
        archive.writestr("archive/version", "3\n")


def hash_file(path: Path) -> str:
    """SHA-256 by hashlib, one thread."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as stream:
        while read := stream.readinto(buffer):
            digest.update(buffer[:read])
    return digest.hexdigest()


def read_hash_write(source: Path, target: Path) -> None:
    """One read, one hash and one write, one after the other, synced to disk."""
    with source.open("rb", buffering=0) as stream:
        while stream.read(CHUNK):
            pass
    hash_file(source)
    with source.open("rb", buffering=0) as stream, target.open("wb", buffering=0) as out:
        while block := stream.read(CHUNK):
            out.write(block)
        os.fsync(out.fileno())
    target.unlink()


def bench_scan(work: Path, size: int) -> list[Row]:
    """`assay scan` of one big state dict, and of two, against hashlib on as many threads."""
    one = work / "state_dict.bin"
    write_state_dict(one, size)
    hash_file(one)  # both sides read from the page cache
    rows = [
        at_most(
            f"scan a {size / 1e9:.1f} GB state_dict (s)",
            timed(lambda: command(*ASSAY, "scan", "--quiet", str(one))),
            "hashlib SHA-256, same file, 1 thread",
            timed(lambda: hash_file(one)),
            1.3,
        )
    ]
    pair = work / "pair"
    pair.mkdir()
    write_safetensors(pair / "a.safetensors", size // 2)
    write_safetensors(pair / "b.safetensors", size // 2)
    files = sorted(pair.iterdir())
    with ThreadPoolExecutor(2) as pool:
        rows.append(
            at_most(
                f"scan 2 safetensors, {size / 1e9:.1f} GB (s)",
                timed(lambda: command(*ASSAY, "scan", "--quiet", str(pair))),
                "hashlib, same files, 2 threads",
                timed(lambda: list(pool.map(hash_file, files))),
                1.3,
            )
        )
    return rows


class _Sparse:
    """A file in which blocks of zeros are holes: nothing of them is written, and all of them is read."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.tell, self.seek, self.flush = self._file.tell, self._file.seek, self._file.flush

    def write(self, data: bytes) -> int:
        """Skip what is one of our blocks."""
        if data is _ZEROS:
            self._file.seek(len(data), os.SEEK_CUR)
            return len(data)
        return self._file.write(data)

    def close(self) -> None:
        """Give the file its length."""
        self._file.truncate(self._file.tell())
        self._file.close()


_ZEROS = bytes(64 * MIB)


def write_large_safetensors(path: Path, size: int) -> None:
    """One I8 tensor of zeros, `size` bytes in whole blocks; no room is taken on the disk."""
    count = size // len(_ZEROS) * len(_ZEROS)
    text = json.dumps(
        {"__metadata__": {"format": "pt"}, "w": {"dtype": "I8", "shape": [count], "data_offsets": [0, count]}}
    ).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + count)


def write_large_zip(path: Path, size: int) -> None:
    """A zip of stored members of 64 MiB of zeros, in the 64-bit form: each is searched and summed by itself."""
    out = _Sparse(path)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[arg-type]  # all it needs
        archive.writestr("README.md", "# Weights\n")
        for number in range(size // len(_ZEROS)):
            with archive.open(f"weights-{number}.raw", "w", force_zip64=True) as member:
                member.write(_ZEROS)
    out.close()


def forget(path: Path) -> None:
    """Drop a file's pages from the page cache, so that whoever reads next finds what the one before found."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def bench_large(work: Path, size: int, rounds: int = 3) -> list[Row]:
    """`assay scan` of files of 10 GB against one hash of each, in turn, each from an empty page cache."""
    rows = []
    for name, write in (("safetensors", write_large_safetensors), ("zip", write_large_zip)):
        path = work / f"large.{name}"
        write(path, size)
        hash_file(path)  # the first to touch that much memory pays for it
        found = (0, 2) if name == "zip" else (0,)  # the raw members have no format
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(rounds):
            forget(path)
            ours.append(timed(lambda p=path, f=found: command(*ASSAY, "scan", "--quiet", str(p), ok=f), repeat=1))
            forget(path)
            theirs.append(timed(lambda p=path: hash_file(p), repeat=1))
        what, yardstick = (
            f"scan a {size / 1e9:.0f} GB {name}, page cache empty (s)",
            "hashlib SHA-256, same file, 1 thread",
        )
        rows.append(at_most(what, median(ours), yardstick, median(theirs), 1.3))
        path.unlink()
    return rows


def bench_start(repeat: int = 15) -> list[Row]:
    """`assay --help` against `python -c pass`."""
    script = Path(sys.executable).parent / "assay"
    bare = timed(lambda: command(sys.executable, "-c", "pass"), repeat=repeat)
    ours = timed(lambda: command(str(script), "--help"), repeat=repeat)
    return [at_most("`assay --help` (s)", ours, "bare interpreter start", bare, 3.0)]


def bench_vet(work: Path, size: int) -> list[Row]:
    """`assay vet` of a local folder against read + hash + write of its bytes."""
    env = os.environ | {"ASSAY_DATA": str(work / "data")}
    command(*ASSAY, "init", env=env)
    model = work / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "bert"}')
    weights = model / "model.safetensors"
    write_safetensors(weights, size)
    plain = timed(lambda: read_hash_write(weights, work / "copy"))
    start = [0]

    def vet() -> None:
        start[0] += 1
        subprocess.run(["rm", "-rf", str(work / "data" / "blobs")], check=True)
        command(*ASSAY, "vet", "--quiet", str(model), "--as", f"bench/run-{start[0]}", env=env, ok=(0, 1, 2))

    what = f"vet a {size / 1e9:.1f} GB local snapshot (s)"
    return [at_most(what, timed(vet), "one read + one hash + one write", plain, 2.0)]
