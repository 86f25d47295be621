"""Formats whose mark alone proves little: pictures of old, word vectors, MessagePack without a name that says so.

Asked only about bytes that are nothing else. Sources: the BMP and ICO headers (Microsoft), fastText's `fasttext.cc`,
word2vec's `word2vec.c`, the MessagePack specification.
"""

from __future__ import annotations

import re

_DIB_HEADERS = frozenset((12, 16, 40, 52, 56, 64, 108, 124))
_WORD2VEC = re.compile(rb"([0-9]{1,9}) ([0-9]{1,5})\n[^\x00-\x20][^\x00-\x1f]{0,200} ")
_NETPBM = re.compile(rb"P[1-6]\s(?:#[^\n]{0,200}\n)*\d{1,6}\s+\d{1,6}\s")
_FASTTEXT = (793712314).to_bytes(4, "little")
_KEY2ROW = "key2row"  # spaCy's table of word vectors has whole numbers as keys


def weak_readings(head: bytes, size: int, name: str) -> list[str]:
    """Readings of bytes that fit nothing else.

    Args:
        head: the first bytes.
        size: of the whole.
        name: base name or path of the file.
    """
    if head[:2] == b"BM" and _is_bitmap(head, size):
        return ["bmp"]
    if head[:4] in (b"\0\0\1\0", b"\0\0\2\0") and _is_icon(head, size):
        return ["ico"]
    if _NETPBM.match(head):
        return ["netpbm"]
    fasttext = head[:4] == _FASTTEXT and 1 <= int.from_bytes(head[4:8], "little") <= 12  # noqa: PLR2004 - versions
    if fasttext or _is_word2vec(head, size):
        return ["word-vectors"]
    if name.rsplit("/", 1)[-1].startswith("events.out.tfevents"):
        return ["tensorboard-log"]
    return ["msgpack"] if _is_msgpack(head, name) else []


def _is_bitmap(head: bytes, size: int) -> bool:
    stated, reserved, pixels, header = (int.from_bytes(head[at : at + 4], "little") for at in (2, 6, 10, 14))
    return header in _DIB_HEADERS and not reserved and 14 + header <= pixels <= size and stated in {0, size}


def _is_icon(head: bytes, size: int) -> bool:
    """As many entries as stated, the first behind the directory, all of them inside the file."""
    count = int.from_bytes(head[4:6], "little")
    if not count or 6 + 16 * count > min(size, len(head)):
        return False
    entries = [head[6 + 16 * n : 22 + 16 * n] for n in range(count)]
    places = [(int.from_bytes(e[12:16], "little"), int.from_bytes(e[8:12], "little")) for e in entries]
    return places[0][0] == 6 + 16 * count and all(start + length <= size for start, length in places)


def _is_word2vec(head: bytes, size: int) -> bool:
    """`words dimensions`, then a word and its floats: the size follows from the two numbers."""
    match = _WORD2VEC.match(head)
    if match is None:
        return False
    words, floats = int(match[1]), 4 * int(match[2])
    return floats > 0 and words * (floats + 2) <= size <= words * (floats + 300) + len(match[0])


def _is_msgpack(head: bytes, name: str) -> bool:
    """A map whose first key is a string, which thinc and spaCy write without an extension."""
    kind = head[0]
    skip = {0xDE: 3, 0xDF: 5}.get(kind, 1 if 0x81 <= kind <= 0x8F else 0)  # noqa: PLR2004 - map 16, map 32, fixmap
    key = head[skip : skip + 2]
    if not skip or not key:
        return False
    if name.rsplit("/", 1)[-1] == _KEY2ROW:
        return True
    length, at = (key[0] & 0x1F, 1) if 0xA1 <= key[0] <= 0xBF else (key[-1], 2) if key[0] in (0xD9, 0xC4) else (0, 0)  # noqa: PLR2004
    text = head[skip + at : skip + at + length]
    return bool(length) and len(text) == length and text.isascii() and text.decode("ascii").isprintable()
