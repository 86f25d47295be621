"""Images of `--data` in each form; what isn't one is a usage error."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from assay.behaviour.image_file import MOST_OF_A_CLASS, read_images
from assay.behaviour.report_raster import triggers
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def _png(shade: int) -> bytes:
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.new("RGB", (2, 2), (shade, 0, 0)).save(out, "PNG")
    return out.getvalue()


def test_a_folder_of_classes(tmp_path: Path) -> None:
    for label in ("10", "9"):
        (tmp_path / label).mkdir()
        for number in range(MOST_OF_A_CLASS + 3):
            (tmp_path / label / f"{number}.png").write_bytes(_png(number))
    (tmp_path / "9" / "notes.txt").write_text("no image", "utf-8")
    found = read_images(tmp_path)
    assert found.names == ("9", "10")  # numbers in their order
    assert found.labels.count(0) == found.labels.count(1) == MOST_OF_A_CLASS
    assert found.digest == read_images(tmp_path).digest
    (tmp_path / "9" / "0.png").write_bytes(_png(200))
    (tmp_path / "9" / "1.png").write_bytes(_png(201))
    (tmp_path / "9" / "2.png").write_bytes(_png(202))
    (tmp_path / "9" / "4.png").write_bytes(_png(203))
    assert found.digest != read_images(tmp_path).digest


def test_a_table_that_names_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(_png(7))
    (tmp_path / "table.csv").write_text("image,label\na.png,cat\nb.png,dog\n", "utf-8")
    found = read_images(tmp_path / "table.csv")
    assert (found.names, found.labels) == (("cat", "dog"), (0, 1))
    assert found.files[0] == _png(7)


def test_parquet_with_images_inside(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    table = pyarrow.table(
        {"image": [{"bytes": _png(1), "path": "x"}, {"bytes": _png(2), "path": "y"}], "label": [4, 3]}
    )
    pyarrow.parquet.write_table(table, tmp_path / "data.parquet")
    found = read_images(tmp_path / "data.parquet")
    assert (found.names, found.labels, found.files) == (("3", "4"), (0, 1), (_png(2), _png(1)))


@pytest.mark.parametrize("text", ["image,label\na.png,cat\n", "nothing", "image,label\nmissing.png,1\nother.png,2\n"])
def test_what_holds_no_two_classes_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(text, "utf-8")
    with pytest.raises(UsageError):
        read_images(tmp_path / "table.csv")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [{"mask": [[0]], "pattern": [["x"]]}],
        [{"mask": [[300]], "pattern": [[[0, 0, 0]]]}],
        [{"mask": [[1], [1, 2]]}],
    ],
)
def test_broken_pictures_are_not_drawn(value: Any) -> None:
    assert triggers(value) == ""


def test_a_picture_is_squares_and_its_name_is_escaped() -> None:
    drawing = triggers([{"name": "<b>", "mask": [[0, 255]], "pattern": [[[255, 0, 0], [0, 0, 9]]]}])
    assert "&lt;b&gt;" in drawing
    assert 'fill="#ff0000"' in drawing
    assert drawing.count("<rect") == 4
