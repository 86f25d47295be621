"""Values of an SQLite database that are pickles, wherever their bytes lie."""

import io
import pickle
import sqlite3
from pathlib import Path

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.containers.members import Budget
from assay.formats.containers.sqlite_values import read_sqlite_values
from tests.support.mutate import mutated


class Thing:
    """Pickles to a call that does nothing."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("x" * self.size,)


def database(folder: Path, values: list[bytes], page: int = 4096) -> bytes:
    path = folder / "x.db"
    connection = sqlite3.connect(path)
    connection.execute(f"pragma page_size = {page}")
    connection.execute("create table t (k integer, v blob)")
    connection.executemany("insert into t values (?, ?)", enumerate(values))
    connection.commit()
    connection.close()
    data = path.read_bytes()
    path.unlink()
    return data


def found(data: bytes) -> list[bytes]:
    container = read_sqlite_values(io.BytesIO(data), len(data), Limits())
    return [container.open(member, Budget(Limits(), len(data))).read() for member in container.members]


@pytest.mark.parametrize("page", [512, 4096, 65_536])
@pytest.mark.parametrize("size", [10, 5_000, 300_000])
@pytest.mark.parametrize("protocol", [0, 4])
def test_a_value_is_found_whole_whatever_its_size(tmp_path: Path, page: int, size: int, protocol: int) -> None:
    wanted = pickle.dumps(Thing(size), protocol)
    rest = [b"\x01" * 700, pickle.dumps({"a": [1] * 300}, 4)]
    assert wanted in found(database(tmp_path, [*rest, wanted, *rest], page))


def test_values_that_are_no_pickles_are_no_members(tmp_path: Path) -> None:
    assert found(database(tmp_path, [b"", b"hello", bytes(9000), b"{}" * 4000])) == []


def test_broken_databases_end_in_content_errors_only(tmp_path: Path) -> None:
    seeds = [database(tmp_path, [pickle.dumps(Thing(size), 4) for size in (10, 900, 3000)], 512)]
    for data in mutated(seeds, 1500):
        try:
            read_sqlite_values(io.BytesIO(data), len(data), Limits())
        except ContentError:
            continue
