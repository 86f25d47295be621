"""Pickles in the middle of something else, and what looking for them may cost."""

from __future__ import annotations

import io
import os
import pickle

import pytest

from assay.core.errors import LimitExceeded
from assay.core.limits import Limits
from assay.formats.containers import carved
from assay.formats.containers.carved import Search, carve, read_carved


class _Calls:
    def __reduce__(self):
        return (print, ("hello",))


PICKLE = pickle.dumps(_Calls(), 2)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_found_wherever_it_lies(protocol: int) -> None:
    inner = pickle.dumps(_Calls(), protocol)
    for before in (b"", b"x", bytes(4093), bytes((4 << 20) - 1), bytes((4 << 20) - 3)):
        data = before + inner + b"rest"
        assert list(carve(io.BytesIO(data), 0, len(data), Search())) == [(len(before), len(before) + len(inner))]


def test_data_and_noise_are_none() -> None:
    data = pickle.dumps([1, 2], 2) + os.urandom(1 << 20)
    assert not [place for place in carve(io.BytesIO(data), 0, len(data), Search()) if place[0] == 0]


@pytest.mark.parametrize("unit", [b"\x80\x02c", b"\x80\x02V", b"\x80\x02ca", b"\x80\x02I1", b"\x80\x04S'"])
def test_bytes_made_to_be_slow_reach_a_limit(unit: bytes) -> None:
    """Lines without an end are paid for by their length: 4 MiB would else be searched a million times."""
    data = unit * ((4 << 20) // len(unit))
    with pytest.raises(LimitExceeded):
        list(carve(io.BytesIO(data), 0, len(data), Search()))


def test_the_parts_of_one_file_share_what_may_be_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carved, "SEARCHED_BYTES", 1000)
    search = Search(bytes_left=1500)
    for _ in range(2):
        assert read_carved(io.BytesIO(PICKLE + bytes(2000)), 2000 + len(PICKLE), Limits(), search).members
    with pytest.raises(LimitExceeded, match="to search"):
        read_carved(io.BytesIO(PICKLE), len(PICKLE), Limits(), search)
