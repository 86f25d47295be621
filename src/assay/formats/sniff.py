"""What bytes are, by content. Every plausible reading is returned: a polyglot has several, and each is inspected.

The name of a file never takes a reading away. It can add one (`.py` makes text a Python program, `.pkl` lowers the
threshold for a pickle), and it says what the extension promises, so that a disagreement can be reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay.formats.sniff_pickle import failing_import, pickle_plausible
from assay.formats.sniff_proto import protobuf_readings
from assay.formats.sniff_tables import EXPECTED, EXPECTED_ENDS, EXTENSION_ADDS, MAGICS, ZIP_FLAVOURS
from assay.formats.sniff_text import text_readings
from assay.formats.sniff_weak import weak_readings

HEAD_BYTES = 1 << 16
TAIL_BYTES = (1 << 16) + 64  # the zip end record lies in the last 64 KiB + 22 bytes (APPNOTE 4.3.16)

_TAR_BLOCK = 512
_TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch/serialization.py MAGIC_NUMBER, pickled
_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")  # LevelDB table footer: tensorflow/core/lib/io/table_options.h
_PROBED = 4096  # bytes of a compressed stream that are tried, with a dictionary of as many
_OCTAL = re.compile(rb"[ ]*[0-7]{1,8}[ \0]*")
_SAFETENSORS_HEADER = re.compile(rb"\s*\{")
_MAX_SAFETENSORS_HEADER = 100_000_000  # the reference implementation's limit

_GLOBAL = ord("c")
_NOT_TEXT = frozenset((".bin", ".model", ".dat", ".data", ".weights"))  # names that promise no text


@dataclass(frozen=True, slots=True)
class Sniff:
    """Readings of one stream.

    Attributes:
        formats: every plausible reading, surest first; `("empty",)` for no bytes; empty when nothing fits.
        expected: what the extension promises; empty when it promises nothing.
    """

    formats: tuple[str, ...]
    expected: frozenset[str]

    @property
    def disagrees(self) -> bool:
        """The extension promises something that the content cannot be read as."""
        return bool(self.expected) and bool(self.formats) and not self.expected.intersection(self.formats)


def sniff(head: bytes, tail: bytes, size: int, name: str, *, strict: bool = False) -> Sniff:
    """Every plausible reading of a stream.

    Args:
        head: its first `HEAD_BYTES` bytes (all, when shorter).
        tail: its last `TAIL_BYTES` bytes (all, when shorter).
        size: its length in bytes.
        name: its file name; adds readings and promises, never removes one.
        strict: the bytes are known to be raw data (tensor storage): a pickle among them must import something.
    """
    suffix = extension(name)
    expected = _promised(name, suffix)
    if size == 0:
        return Sniff(("empty",), expected)
    if not head:
        return Sniff((), expected)  # a stream that is shorter than it says
    found: list[str] = []
    _magic(head, size, found)
    _archives(head, tail, found)
    by_name = "pickle" in expected
    bare = failing_import(head, size) if head[0] == _GLOBAL and not strict else ""
    in_text = bool(bare) and not by_name and (suffix not in _NOT_TEXT or bare == "before")
    if head.startswith(_TORCH_LEGACY):
        found += ["torch-legacy", "pickle"]
    elif not (in_text and suffix not in _NOT_TEXT) and pickle_plausible(
        head, size, claimed=by_name or bare == "alone", strict=strict
    ):
        found.append("pickle")
    found += protobuf_readings(head, size, suffix)
    if not found or found == ["pickle"] or "elf" in found or "pe" in found or "shell" in found:
        found += text_readings(head, size, suffix, name)
    if bare and "pickle" not in found:
        found.append("import-line" if in_text and "text" in found else "pickle")
    if tail.endswith(_TABLE_MAGIC):
        found.append("tf-table")
    if not found and name.rsplit("/", 1)[-1] == "fingerprint.pb":
        found.append("tf-fingerprint")
    if not found:
        found += EXTENSION_ADDS.get(suffix, ()) or weak_readings(head, size, name)
    return Sniff(tuple(dict.fromkeys(found)), expected)


def _promised(name: str, suffix: str) -> frozenset[str]:
    ends = EXPECTED_ENDS.items() if suffix in {".tar", ".json"} else ()
    return next((promised for end, promised in ends if name.lower().endswith(end)), EXPECTED.get(suffix, frozenset()))


def extension(name: str) -> str:
    """Lower-case last extension with its dot, or the whole base name when it has none (`Makefile`)."""
    base = name.rsplit("/", 1)[-1].lower()
    dot = base.rfind(".")
    return base[dot:] if dot > 0 else base


def _magic(head: bytes, size: int, found: list[str]) -> None:
    for offset, magic, reading in MAGICS.get(head[0], ()):
        if head.startswith(magic, offset):
            found.append(reading)
    for offset, magic, reading in MAGICS[-1]:
        if head.startswith(magic, offset):
            found.append(reading)
    if _is_safetensors(head, size):
        found.append("safetensors")
    if _is_zlib(head):
        found.append("zlib")
    if head.startswith(b"MZ") and _is_pe(head, size):
        found.append("pe")
    if head[2:4] == b"\r\n" and _is_bytecode(head):
        found.append("python-bytecode")
    if head[13:14] == b"\0" and _is_lzma_alone(head):
        found.append("lzma")


def _is_safetensors(head: bytes, size: int) -> bool:
    """8-byte little-endian header length, then a JSON object. A length past the end is still its reading."""
    if size < 10 or head[8:9] not in b"{ \t\r\n":  # noqa: PLR2004
        return False
    length = int.from_bytes(head[:8], "little")
    return length <= max(_MAX_SAFETENSORS_HEADER, size) and _SAFETENSORS_HEADER.match(head, 8) is not None


def _is_zlib(head: bytes) -> bool:
    """RFC 1950 header: method 8, window ≤ 7, check bits, no preset dictionary; or joblib's old `ZF` prefix."""
    if head[:2] == b"ZF" and head[2:4] in (b"0x", b"0X"):
        return True
    if len(head) < 8:  # noqa: PLR2004
        return False
    cmf, flags = head[0], head[1]
    if cmf & 0x0F != 8 or cmf >> 4 > 7 or (cmf << 8 | flags) % 31 or flags & 0x20:  # noqa: PLR2004
        return False
    return _inflates(head)


def _inflates(head: bytes) -> bool:
    import zlib  # noqa: PLC0415

    try:
        return bool(zlib.decompressobj().decompress(head[:4096], 64)) or len(head) < 64  # noqa: PLR2004
    except zlib.error:
        return False


def _is_pe(head: bytes, size: int) -> bool:
    """`MZ` and, where the header points, `PE`; also a DOS program's header, which says how long it is."""
    at = int.from_bytes(head[60:64], "little")
    if len(head) < 64 or not 0 < at < size:  # noqa: PLR2004
        return False
    return head[at : at + 4] == b"PE\0\0" or at + 4 > len(head)


def _is_bytecode(head: bytes) -> bool:
    """A `.pyc`: magic number of a Python 3, known flags, then a marshalled code object (PEP 552)."""
    magic, flags = int.from_bytes(head[:2], "little"), int.from_bytes(head[4:8], "little")
    return 3000 <= magic <= 3999 and flags <= 3 and head[16:17] in b"\x63\xe3" and len(head) > 16  # noqa: PLR2004


def _is_lzma_alone(head: bytes) -> bool:
    """The old `.lzma` header, with the plausibility checks of liblzma's own detection, and data that expands."""
    dictionary, plain = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
    rounded = 1 << max(dictionary.bit_length() - 1, 0)
    if head[0] >= 225 or dictionary not in {rounded, rounded + rounded // 2, 0xFFFFFFFF}:  # noqa: PLR2004
        return False
    if dictionary < 4096 or (plain >= 1 << 38 and plain != (1 << 64) - 1):  # noqa: PLR2004
        return False
    import lzma  # noqa: PLC0415

    # The dictionary is allocated at once, and only bounds distances: the first bytes come out alike with a small one.
    small = head[:1] + min(dictionary, _PROBED).to_bytes(4, "little") + head[5:_PROBED]
    try:
        data = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=1 << 20).decompress(small, 64)
    except lzma.LZMAError:
        return False
    return bool(data) or len(head) < 64  # noqa: PLR2004


def _archives(head: bytes, tail: bytes, found: list[str]) -> None:
    has_zip = head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or b"PK\x05\x06" in tail
    if has_zip:
        names = head + tail
        found += [flavour for flavour, marker in ZIP_FLAVOURS if any(m in names for m in marker)]
        found.append("zip")
    if _is_tar(head):
        names = head[:100] if b"\0" not in head[:1] else b""
        if names.startswith((b"sys_info", b"pickle", b"storages", b"tensors")):
            found.append("torch-tar")
        if b"model_config.yaml" in head or b"model_weights.ckpt" in head:
            found.append("nemo")
        found.append("tar")


def _is_tar(head: bytes) -> bool:
    """Header checksum of the first block (POSIX ustar and the old format), signed or unsigned."""
    block = head[:_TAR_BLOCK]
    if len(block) < _TAR_BLOCK or not _OCTAL.fullmatch(block[148:156]):
        return False
    stated = int(block[148:156].strip(b" \0") or b"0", 8)
    plain = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(plain)
    signed = unsigned - 256 * sum(byte > 127 for byte in plain)  # noqa: PLR2004
    return stated in (unsigned, signed) and unsigned > 8 * 0x20
