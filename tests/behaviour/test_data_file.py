"""Labelled texts: the three formats, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.behaviour.data_file import MOST_TEXTS, read_labelled
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", 'sentence\tlabel\na "quoted text\t1\nb\t0\n'),
        ("a.csv", 'label,text\n1,"a ""quoted text"\n0,b\n'),
        ("a.jsonl", '{"text": "a \\"quoted text", "label": 1}\n\n{"text": "b", "label": 0}\n'),
    ],
)
def test_formats(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    read = read_labelled(tmp_path / name)
    assert read.items == (('a "quoted text', 1), ("b", 0))
    assert read.names == ("0", "1")


@pytest.mark.parametrize("text", ["", "sentence\tlabel\n", "sentence\tlabel\na\t1\n", "x\ty\na\t1\n"])
def test_what_is_no_such_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.tsv").write_text(text, "utf-8")
    with pytest.raises(UsageError):
        read_labelled(tmp_path / "a.tsv")


def test_a_missing_file_and_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_labelled(tmp_path / "none.tsv")
    (tmp_path / "a.tsv").write_bytes(b"sentence\tlabel\n\xff\xfe\t1\n")
    with pytest.raises(UsageError):
        read_labelled(tmp_path / "a.tsv")


def test_a_long_file_is_sampled(tmp_path: Path) -> None:
    rows = "".join(f"text {i}\t{i % 2}\n" for i in range(3 * MOST_TEXTS + 1))
    (tmp_path / "a.tsv").write_text(f"sentence\tlabel\n{rows}", "utf-8")
    read = read_labelled(tmp_path / "a.tsv")
    assert read.rows == 3 * MOST_TEXTS + 1
    assert len(read.items) == MOST_TEXTS
    assert abs(sum(label for _, label in read.items) - MOST_TEXTS // 2) < MOST_TEXTS // 10
