"""Labelled texts: the formats, and what is refused."""

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
        ("a.json", '[{"review": "a \\"quoted text", "sentiment": 1},\n {"review": "b", "sentiment": 0}]\n'),
        ("a.csv", 'utterance,intent\n"a ""quoted text",1\nb,0\n'),
    ],
)
def test_formats(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    read = read_labelled(tmp_path / name)
    assert read.items == (('a "quoted text', 1), ("b", 0))
    assert read.names == ("0", "1")


def test_parquet(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"text": ["good", "bad", "", None], "label": [1, 0, 1, 0]})
    parquet.write_table(table, tmp_path / "train.parquet")
    assert read_labelled(tmp_path / "train.parquet").items == (("good", 1), ("bad", 0))
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "train.parquet").read_bytes()[:-8])
    with pytest.raises(UsageError, match="not a table of texts"):
        read_labelled(tmp_path / "cut.parquet")


def test_classes_are_numbered_as_their_numbers_are(tmp_path: Path) -> None:
    """A model that was trained on them numbers them so, and references are made of them."""
    rows = "".join(f"text {number}\t{number}\n" for number in (11, 2, 0, 10, "01", 1, "9" * 5000))
    (tmp_path / "a.tsv").write_text(f"sentence\tlabel\n{rows}other\tnone\n", "utf-8")
    read = read_labelled(tmp_path / "a.tsv")
    assert read.names == ("0", "01", "1", "2", "10", "11", "9" * 5000, "none")
    assert read.items[0] == ("text 11", 5)


def test_a_row_without_its_text_or_label_takes_none_of_another_column(tmp_path: Path) -> None:
    rows = '"good",,1,x\n"","a remark",0,x\n"bad",,0,y\n"odd","another",,y\n'
    (tmp_path / "a.csv").write_text(f"text,comment,label,category\n{rows}", "utf-8")
    read = read_labelled(tmp_path / "a.csv")
    assert read.names == ("0", "1")
    assert read.items == (("good", 1), ("bad", 0))


def test_without_its_columns_it_says_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,prose\n1,a\n", "utf-8")
    with pytest.raises(UsageError) as refused:
        read_labelled(tmp_path / "a.csv")
    assert refused.value.hint.startswith("it has id, prose; one of sentence, text, ")


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
