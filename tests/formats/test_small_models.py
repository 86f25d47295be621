"""Readers of XML, MessagePack, UBJSON, Core ML and Paddle: true files, lies, and mutations."""

import io
import struct
from pathlib import Path

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.coreml import read_coreml
from assay.formats.msgpack import read_msgpack
from assay.formats.paddle import read_paddle
from assay.formats.ubjson import read_ubjson
from assay.formats.xml_text import Element, XmlText, read_xml
from tests.support.builders import small
from tests.support.mutate import mutated

FIXTURES = Path(__file__).parent / "fixtures"


def xml(text: str | bytes) -> tuple[XmlText, list[Element]]:
    found: list[Element] = []
    data = text.encode() if isinstance(text, str) else text
    return read_xml(io.BytesIO(data), Limits(), found.append), found


def test_elements_with_attributes_and_lines() -> None:
    document, elements = xml('<a x="1">\n<b:c xmlns:b="u" y="2"/>\n</a>')
    assert [(name, line) for name, _, line in elements] == [("a", 1), ("c", 2)]
    assert (document.elements, document.entities, document.stopped) == (2, [], False)


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', ("x", "SYSTEM file:///etc/passwd")),
        ('<!DOCTYPE a [<!ENTITY % x SYSTEM "http://192.0.2.1/"> %x;]><a/>', ("x", "SYSTEM http://192.0.2.1/")),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', ("x", "y")),
    ],
)
def test_reading_stops_at_entities(text: str, entity: tuple[str, str]) -> None:
    document, elements = xml(text)
    assert document.entities[0] == entity
    assert document.stopped
    assert elements == []


def test_a_billion_laughs_expand_to_nothing() -> None:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 30))
    document, _ = xml(f'<!DOCTYPE a [<!ENTITY l0 "lol">{entities}]><a>&l29;</a>')
    assert document.stopped


@pytest.mark.parametrize("text", ["", "<a>", "x", "<a></b>", "<a x='1' x='2'/>", "<a>&undefined;</a>", b"\xff\xfe<\0a"])
def test_broken_xml(text: str | bytes) -> None:
    with pytest.raises(ContentError):
        xml(text)


def test_deep_xml_is_a_limit() -> None:
    with pytest.raises(ContentError, match="nested deeper"):
        xml("<a>" * 5000)


def walk(data: bytes) -> dict[int, int]:
    return dict(read_msgpack(io.BytesIO(data), len(data), Limits()).extensions)


def test_messagepack_extensions_are_counted() -> None:
    array = small.msgpack_ext(1, b"\x93\x91\x02\xa7float32\xc4\x08" + b"\0" * 8)
    assert walk(small.msgpack_map(array, array, b"\x92\x01\xc0", b"\xcb" + b"\0" * 8)) == {1: 2}
    assert walk(small.msgpack_map(small.msgpack_ext(77, b"x"), b"\xd6\xff" + b"\0" * 4)) == {77: 1, -1: 1}


@pytest.mark.parametrize(
    "data", [b"", b"\xdf\xff\xff\xff\xff\xa1w", b"\xc6\xff\xff\xff\xff", b"\xc1", b"\x91" * 100_000, b"\x92\x01"]
)
def test_messagepack_that_lies(data: bytes) -> None:
    with pytest.raises(ContentError):
        walk(data)


def test_ubjson_of_xgboost() -> None:
    data = (FIXTURES / "booster.ubj").read_bytes()
    document = read_ubjson(io.BytesIO(data), len(data), Limits())
    assert "learner" in document.keys
    assert document.texts["author"] == "tests"
    assert document.trailing == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"x", b"[$U#l\x7f\xff\xff\xff", b"SL\x7f" + b"\xff" * 7, b"[#i\xff", b"[" * 5000, b"{i\x01aZ", b"[$Z"],
)
def test_ubjson_that_lies(data: bytes) -> None:
    with pytest.raises(ContentError):
        read_ubjson(io.BytesIO(data), len(data), Limits())


def test_coreml() -> None:
    def read(data: bytes) -> object:
        return read_coreml(io.BytesIO(data), len(data), Limits())

    assert read(small.coreml_custom("Own")).custom == ["Own"]  # type: ignore[attr-defined]
    inside = small.coreml_pipeline(small.coreml_network("Layer"), small.coreml_custom("Own"))
    assert sorted(read(inside).custom) == ["Layer", "Own"]  # type: ignore[attr-defined]
    assert read(small.coreml_program("../x.bin")).files == ["@model_path/../x.bin"]  # type: ignore[attr-defined]


def test_paddle() -> None:
    data = small.paddle(("relu", {}), ("save", {"file_path": "/tmp/x"}), ("relu", {"a": "b"}))
    program = read_paddle(io.BytesIO(data), len(data), Limits(), {"save"})
    assert program.operators == {"relu": 2, "save": 1}
    assert program.texts == [("save", "file_path", "/tmp/x")]


def test_mutated_inputs_end_in_content_errors_only() -> None:
    seeds = [
        small.pmml("<a b='c'/>", "<!DOCTYPE a [<!ENTITY x 'y'>]>").encode(),
        small.openvino(("Add", "opset1")).encode(),
        small.msgpack_map(small.msgpack_ext(1, b"abc"), b"\x92\x01\xc0", b"\xdc\0\x01\xc0"),
        (FIXTURES / "booster.ubj").read_bytes()[:600],
        small.coreml_pipeline(small.coreml_network("L"), small.coreml_custom("C")),
        small.paddle(("save", {"file_path": "x"})),
    ]
    readers = [
        lambda s, n: read_xml(s, Limits(), lambda _: None),
        lambda s, n: read_msgpack(s, n, Limits()),
        lambda s, n: read_ubjson(s, n, Limits()),
        lambda s, n: read_coreml(s, n, Limits()),
        lambda s, n: read_paddle(s, n, Limits(), {"save"}),
    ]
    for data in mutated(seeds, 3000):
        for reader in readers:
            try:
                reader(io.BytesIO(data), len(data))
            except ContentError:
                continue


def test_a_claimed_length_is_never_allocated() -> None:
    for data in (b"\xc6" + struct.pack(">I", 0xFFFFFFF0), b"SL" + struct.pack(">q", 1 << 40)):
        reader = read_msgpack if data[0] == 0xC6 else read_ubjson
        with pytest.raises(ContentError):
            reader(io.BytesIO(data), len(data), Limits())
