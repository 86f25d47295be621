"""Base64 pickles inside JSON are members."""

from __future__ import annotations

import base64
import io
import json
import pickle

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
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
