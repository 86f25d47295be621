"""Base64 pickles inside JSON are members."""

from __future__ import annotations

import base64
import io
import json
import pickle

import pytest
import yaml

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import Limits
from assay.formats.containers import text_pickles
from assay.formats.containers.embedded import read_embedded
from assay.formats.containers.members import Budget


def read(value) -> list[bytes]:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    found = read_embedded(io.BytesIO(data), len(data), Limits())
    return [found.open(member, Budget(Limits(), len(data))).read() for member in found.members]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_any_string_with_the_mark_of_a_pickle(protocol):
    pickled = pickle.dumps({"a": print}, protocol)
    assert read({"x": [base64.b64encode(pickled).decode()]}) == [pickled]


def test_stable_baselines_key_takes_any_base64():
    pickled = pickle.dumps({"a": print}, 0)
    encoded = base64.encodebytes(pickled).decode()
    assert read({"policy_class": {":type:": "x", ":serialized:": encoded}}) == [pickled]


def test_other_text_has_none():
    assert read({"a": "gAAB", "b": "plain text", "hash": "gAo" + "0" * 40}) == []
    with pytest.raises(ContentError):
        read({":serialized:": "abcde"})


SYSTEM = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0btouch PWNED\x85R."
OLD = b"cposix\nsystem\n(S'touch PWNED'\ntR."
WRITTEN = {
    "base64": lambda data: base64.b64encode(data).decode(),
    "url-safe base64": lambda data: base64.urlsafe_b64encode(data).decode(),
    "base32": lambda data: base64.b32encode(data).decode(),
    "base85": lambda data: base64.b85encode(data).decode(),
    "ascii85": lambda data: base64.a85encode(data).decode(),
    "hex": bytes.hex,
    "capital hex": lambda data: data.hex().upper(),
    "characters": lambda data: data.decode("latin-1"),
}


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_the_ways_in_which_bytes_are_written_as_text(way, ascii_only):
    text = json.dumps({"a": 1, "state": WRITTEN[way](SYSTEM)}, ensure_ascii=ascii_only)
    assert [data[: len(SYSTEM)] for data in read(text.encode())] == [SYSTEM]


@pytest.mark.parametrize("way", ["base64", "hex", "characters"])
def test_protocol_0_without_its_mark(way):
    assert [data[: len(OLD)] for data in read({"state": WRITTEN[way](OLD)})] == [OLD]


@pytest.mark.parametrize(
    "text",
    [
        yaml.dump({"a": SYSTEM * 5, "b": "x"}).encode(),  # !!binary over several lines
        yaml.dump({"a": SYSTEM.decode("latin-1")}).encode(),
        f"1,{SYSTEM.hex()},x\n".encode(),
        b"INSERT INTO t VALUES (X'" + SYSTEM.hex().encode() + b"');",
        f"state = {SYSTEM!r}\n".encode(),
    ],
)
def test_other_texts_than_json(text):
    found = read(text)
    assert len(found) == 1
    assert found[0].startswith(SYSTEM)


def test_words_numbers_and_data_are_none():
    assert read({"vocab": {"Yesterday": 1, "K": 2, "8004": 3, "fC" + "x" * 40: 4, "J-" + "y" * 40: 5}}) == []
    assert (
        read({"sha": ["8004" + "ab" * 30, "63" * 32], "image": base64.b64encode(bytes(range(256)) * 9).decode()}) == []
    )
    assert read({"data": (b"\x80\x04K\x01.").hex(), "text": "cat\nsat\nmat."}) == []


def test_a_text_made_to_cost_time_is_given_up(monkeypatch):
    monkeypatch.setattr(text_pickles, "_MOST_BYTES", 10_000)
    with pytest.raises(LimitExceeded):
        read({"data": ["80" + "04" * 400] * 20})
