"""Seeds and generators of the fuzzed parsers: builders, fixtures of the reader tests, and the hostile corpus."""

from __future__ import annotations

import base64
import bz2
import copy
import gzip
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.fuzz import SEED_BYTES

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

FIXTURES = Path(__file__).resolve().parent.parent / "formats" / "fixtures"
_ODD = (
    None, True, 0, -1, 1 << 63, 1 << 70, -(1 << 63), 1.5, float("nan"), "", "x" * 3000, "\ud800", "a.b.c", "__class__",
    [], {}, [[]], [None], {"": None}, {"class_name": "Lambda"}, {"__loader__": "FunctionNode"},
    {"target": "a", "inputs": 1},
)  # fmt: skip
_DEEP_LEVELS = 300
CARDS = (
    "language: [en, 'no']\ntags:\n- a\n- b: 1.5\nlicense: mit\nindex:\n- name: x\n  results:\n  - {task: t, n: 0x1}\n",
    "a: |\n  text\n  more\nb: >-\n  folded\nc: ~\nd: 2001-01-01\ne: !!python/object:os.system x\n",
    "&a [1, *a]\n", "? [x]\n: y\n", "a: &x 1\nb: *x\n", "n: 1_000\nm: .inf\no: 0o17\np: 190:20:30\n",
)  # fmt: skip
TEMPLATES = (
    "{% for m in messages %}{{ '<s>' + m['role'] }}{% if loop.last %}{{ m.content|trim }}{% endif %}{% endfor %}",
    "{{ x['__%s__' % 'a']|attr('b'|format(9)) * 2 ** 9 }}{% set n = namespace() %}{% generation %}{% endgeneration %}",
    "{% macro f(a, b='c') %}{{ a ~ b }}{% endmacro %}{{ f(1) }}{# a #}{% if 'e' in messages[0].content %}x{% endif %}",
)
SCRIPTS = (
    "def forward(self, x):\n  _0 = torch.add(x, CONSTANTS.c0, alpha=1)\n  ops.my.op('x')\n  return _0\n",
    "class M(Module):\n  __parameters__ = []\n  def f(self):\n    torch.save(self, '/tmp/x')\n",
)
REQUIREMENTS = ("a==1\n-e git+https://x#egg=y\n--index-url http://z\nb[c]>=2; python_version<'3'\n./local\n# x\n",)
HIDDEN = ("a\u202eb\u200b", "x" + "\ufe01" * 20 + "\U000e0041\U000e0042", "می\u200cخو 👨\u200d👩")
CONTENT = b"hello " * 60 + bytes(range(256))


def corpus(*families: str, suffix: str = "") -> list[bytes]:
    """Files of these families of the hostile corpus, the short ones, without those that need a framework to be made."""
    from tests.corpus.build import hostile_samples
    from tests.corpus.sample import Kit

    kit, found = Kit("/tmp/x"), []
    for sample in hostile_samples():
        if sample.path.split("/")[0] not in families or (sample.builder and find_spec(sample.builder) is None):
            continue
        if sample.builder == "torch":  # seconds to import
            continue
        for path, make in {sample.path: sample.make, **sample.extra}.items():
            if path.endswith(suffix):
                found.append(make(kit))
    return [data for data in found if len(data) <= SEED_BYTES]


@cache
def fixtures(pattern: str) -> list[bytes]:
    """Fixture files of the reader tests, the short ones."""
    files = [path.read_bytes() for path in sorted(FIXTURES.glob(pattern))]
    assert files, f"no fixture fits {pattern}"
    return [data for data in files if len(data) <= SEED_BYTES]


def marshalled() -> list[bytes]:
    """Code objects of every Python since 2.7."""
    lines = (FIXTURES / "marshalled.txt").read_text().splitlines()
    return [base64.b64decode(line.split()[1]) for line in lines]


def texts(*items: str) -> list[bytes]:
    """Texts as bytes."""
    return [item.encode() for item in items]


def documents(*values: Any) -> list[bytes]:
    """JSON documents."""
    return [json.dumps(value).encode() for value in values]


def zips() -> list[bytes]:
    """Archives of every method, with directories, a comment, a data descriptor and bytes around them."""
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            archive.comment = b"comment"
            for name in ("a/", "a/b.txt", "ü.bin", "data.pkl"):
                archive.writestr(zipfile.ZipInfo(name), b"" if name.endswith("/") else CONTENT, compress_type=method)
            with archive.open("streamed", "w", force_zip64=True) as file:
                file.write(CONTENT)
        made += [out.getvalue(), b"#!/bin/sh\n" + out.getvalue() + b"after"]
    return made


def tars() -> list[bytes]:
    """Archives of every flavour, with links, a device and long names."""
    made = []
    for flavour in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=flavour) as archive:
            for name, kind, target in (
                ("a.txt", tarfile.REGTYPE, ""), ("link", tarfile.SYMTYPE, "/etc/passwd"), ("d" * 90 + "/x", b"0", ""),
                ("hard", tarfile.LNKTYPE, "a.txt"), ("device", tarfile.CHRTYPE, ""), ("sub", tarfile.DIRTYPE, ""),
            ):  # fmt: skip
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                info.size = len(CONTENT) if kind == tarfile.REGTYPE else 0
                archive.addfile(info, io.BytesIO(CONTENT))
        made.append(out.getvalue())
    return made


def compressed(form: str) -> list[bytes]:
    """Streams of one compression: one, two in a row, cut off, padded."""
    pack: dict[str, Any] = {
        "gzip": lambda data: gzip.compress(data, mtime=0),
        "bzip2": bz2.compress,
        "xz": lambda data: lzma.compress(data, lzma.FORMAT_XZ),
        "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
        "zlib": zlib.compress,
    }
    one = pack[form](CONTENT)
    made = [one, one + one, one[:-9], one + b"\0" * 64, one + b"trailing", pack[form](b"")]
    return [*made, b"ZF0x2bc            " + one] if form == "zlib" else made


def sevenzips() -> list[bytes]:
    """Archives of every coder that is read."""
    from tests.formats.test_sevenzip import FIXTURES as ARCHIVES

    return [base64.b64decode(text) for text in ARCHIVES.values()] + corpus("nested", suffix=".7z")


def pickles() -> list[bytes]:
    """Pickles of every protocol that a framework writes, and the hostile ones."""
    from tests.support.pickle_fuzz import program

    return [program(seed, 40) for seed in range(40)] + corpus("pickle", "joblib")


def program_of(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """A new pickle whose opcodes mostly fit together."""
    from tests.support.pickle_fuzz import program

    return program(rng.randrange(1 << 40), rng.choice((3, 10, 40, 150)))


def changed_document(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A JSON document in which some values are others, so that it still is one."""
    value = copy.deepcopy(_parsed(rng.choice(seeds)))
    for _ in range(rng.choice((1, 1, 2, 4))):
        value = _changed(value, rng, seeds)
    return json.dumps(value).encode()


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return {}


def _changed(value: Any, rng: random.Random, seeds: Sequence[bytes]) -> Any:
    """`value` with one place changed; the place is found by walking down at random."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.05:
        return _odd(rng, seeds)
    place = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    action = rng.random()
    if isinstance(value[place], dict | list) and value[place] and action < 0.7:
        value[place] = _changed(value[place], rng, seeds)
    elif action < 0.8:
        value[place] = _odd(rng, seeds)
    elif action < 0.9:
        del value[place]
    elif isinstance(value, dict):
        value[rng.choice((str(place) + "x", "class_name", "config", "file", "target", "__loader__"))] = value[place]
    else:
        value += [copy.deepcopy(value[place]) for _ in range(rng.choice((1, 20)))]
    return value


def _odd(rng: random.Random, seeds: Sequence[bytes]) -> Any:
    pick = rng.random()
    if pick < 0.1:
        return _parsed(rng.choice(seeds))
    if pick < 0.15:
        deep: Any = []
        for level in range(rng.randrange(_DEEP_LEVELS)):
            deep = [deep] if level % 2 else {"config": deep}
        return deep
    return copy.deepcopy(rng.choice(_ODD))


def changed_text(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Lines and words of the seeds, cut, moved and repeated: most of it still has the syntax."""
    lines = rng.choice(seeds).splitlines(keepends=True) or [b""]
    other = rng.choice(seeds).splitlines(keepends=True) or [b""]
    for _ in range(rng.choice((1, 2, 4))):
        place, source = rng.randrange(len(lines) + 1), rng.randrange(len(other))
        action = rng.randrange(4)
        if action == 0:
            lines[place:place] = other[source : source + rng.choice((1, 5))]
        elif action == 1 and len(lines) > 1:
            del lines[min(place, len(lines) - 1)]
        elif action == 2:
            lines[place:place] = lines[max(0, place - 2) : place] * rng.choice((1, 2, 20))
        elif lines:
            line = lines[min(place, len(lines) - 1)]
            words = line.split(b" ")
            rng.shuffle(words)
            lines[min(place, len(lines) - 1)] = b" ".join(words)
    return b"".join(lines)[: 4 * SEED_BYTES]


def state_dicts() -> list[bytes]:
    """Checkpoints as `torch.save` writes them, made without it."""
    import io
    import struct
    import zipfile

    found = []
    for count in (1, 3):
        tensors = b""
        for number in range(count):
            key = str(number).encode()
            pid = (
                b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00"
                + key
                + b"X\x03\x00\x00\x00cpuK\x04tQ"
            )
            hooks = b"ccollections\nOrderedDict\n)R"
            tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + b"K\x00K\x04\x85K\x01\x85\x89" + hooks + b"tR"
            tensors += b"X\x01\x00\x00\x00" + key + tensor + b"s"
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo("archive/data.pkl"), b"\x80\x02}" + tensors + b".")
            for number in range(count):
                archive.writestr(zipfile.ZipInfo(f"archive/data/{number}"), struct.pack("<4f", 1, 2, 3, 4))
            archive.writestr(zipfile.ZipInfo("archive/version"), "3\n")
        found.append(out.getvalue())
    return found


def xet_shards() -> list[bytes]:
    """Shards with one file and with several, with and without verification and metadata."""
    import struct

    from assay.formats.xet import SHARD_TAG

    head = SHARD_TAG + struct.pack("<QQ", 2, 0)
    end = b"\xff" * 32 + bytes(16)
    found = []
    for flags, extra in ((0, 0), (1 << 31, 1), (1 << 30, 0), (3 << 30, 1)):
        entry = b"\x11" * 32 + struct.pack("<4I", 0, 100, 0, 2)
        file = b"\x22" * 32 + struct.pack("<IIQ", flags, 1, 0) + entry + bytes(48) * extra
        file += b"\x33" * 32 + bytes(16) if flags & (1 << 30) else b""
        found.append(head + file * (1 + extra) + end)
    return found


def xorbs() -> list[bytes]:
    """Xorbs of stored and of packed chunks."""
    import struct

    frame = bytes.fromhex("04224d1860409e") + struct.pack("<I", 0x8000_0008) + b"abcdefgh" + bytes(4)
    found = []
    for scheme, body, size in ((0, b"abcdefgh", 8), (1, frame, 8), (2, frame, 8)):
        header = bytes([0]) + len(body).to_bytes(3, "little") + bytes([scheme]) + size.to_bytes(3, "little")
        found.append((header + body) * 3)
    return found
