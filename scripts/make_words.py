"""Make the word list of the probe `word-scan` from a list of the SCOWL kind (Debian: the package `wamerican`).

python scripts/make_words.py /usr/share/dict/american-english /usr/share/doc/wamerican/copyright
"""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "src" / "assay" / "workers"
SHORTEST, LONGEST = 2, 14


def main() -> None:
    """Lower case, ASCII letters alone, each once; the notice beside it."""
    source, notice = map(Path, sys.argv[1:3])
    lines = source.read_text("utf-8").split("\n")
    words = sorted({w.lower() for w in lines if w.isascii() and w.isalpha() and SHORTEST <= len(w) <= LONGEST})
    packed = lzma.compress("\n".join(words).encode(), format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, preset=9)
    (FOLDER / "words.txt.xz").write_bytes(packed)
    (FOLDER / "words.LICENSE").write_text(notice.read_text("utf-8"), "utf-8")
    print(len(words), "words,", len(packed), "bytes")


if __name__ == "__main__":
    main()
