"""HDF5: all that a file says in text, and all that leads out of it. Fixtures: tests/support/make_hdf5_fixtures.py."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.containers.hdf5_values import read_hdf5_values
from assay.formats.containers.members import Budget
from assay.formats.hdf5.datasets import Allowance, values_of
from assay.formats.hdf5.messages import parse_attribute
from assay.formats.hdf5.reader import Hdf5, read_hdf5
from assay.formats.hdf5.source import Source
from tests.support.mutate import mutated

FIXTURES = Path(__file__).parent / "fixtures"


def read(name: str) -> Hdf5:
    data = (FIXTURES / f"{name}.h5").read_bytes()
    return read_hdf5(io.BytesIO(data), len(data), Limits())


@pytest.mark.parametrize("name", ["earliest", "latest", "v110", "ordered", "userblock", "bytes"])
def test_every_way_h5py_writes_a_model(name: str) -> None:
    file = read(f"keras-{name}")
    values = {(a.path, a.name): a.values for a in file.attributes}
    assert json.loads(values["/", "model_config"][0])["class_name"] == "Sequential"
    assert values["/model_weights", "layer_names"] == (b"dense", b"lambda")
    assert values["/model_weights/dense", "weight_names"] == (b"dense/kernel:0", b"dense/bias:0")
    assert file.anomalies == []
    assert file.outside == []
    assert set(file.names) == {"/", "/model_weights", "/model_weights/dense", "/model_weights/dense/kernel:0"}


def test_dense_attributes_and_links() -> None:
    file = read("dense")
    values = {a.name: a.values[0] for a in file.attributes if a.path == "/"}
    assert len(values) == 152
    assert values["attribute-149"].startswith(b"value 149 x")
    assert values["huge"] == b"y" * 66_000
    assert len([a for a in file.attributes if a.path.startswith("/many/group-")]) == 100
    assert file.anomalies == []


def test_old_groups_with_many_members() -> None:
    file = read("many-old")
    assert len([a for a in file.attributes if a.path.startswith("/group-")]) == 40
    assert file.anomalies == []


def test_what_lies_in_other_files() -> None:
    outside = {(o.kind, o.path): o for o in read("outside").outside}
    assert outside["external-link", "/link"].file == "/etc/passwd"
    assert outside["external-link", "/link"].target == "/x"
    assert outside["external-storage", "/storage"].file == "/etc/hostname"
    assert outside["virtual-dataset", "/virtual"].file == "../other.h5"


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n\x07" + b"\0" * 100, b"x" * 2000])
def test_no_hdf5(data: bytes) -> None:
    with pytest.raises(ContentError):
        read_hdf5(io.BytesIO(data), len(data), Limits())


def test_broken_structures_are_said() -> None:
    data = bytearray((FIXTURES / "keras-latest.h5").read_bytes())
    place = data.index(b"GCOL")
    data[place : place + 4] = b"XXXX"
    file = read_hdf5(io.BytesIO(bytes(data)), len(data), Limits())
    assert any("GCOL" in anomaly.detail for anomaly in file.anomalies)


def test_mutated_files_end_in_content_errors_only() -> None:
    names = ["keras-earliest", "keras-latest", "outside", "keras-ordered"]
    seeds = [(FIXTURES / f"{name}.h5").read_bytes() for name in names]
    for data in mutated(seeds, 3000):
        try:
            read_hdf5(io.BytesIO(data), len(data), Limits())
        except ContentError:
            continue


def test_strings_of_no_bytes_are_not_counted_out() -> None:
    text, many = bytes([0x13, 0, 0, 0, 0, 0, 0, 0]), (1 << 40).to_bytes(8, "little")
    space = bytes([1, 1, 0, 0, 0, 0, 0, 0]) + many
    message = bytes([1, 0]) + b"".join(n.to_bytes(2, "little") for n in (2, 8, 16)) + b"a\0" + bytes(6) + text + space
    assert parse_attribute(Source(io.BytesIO(), 0, Limits()), message).values == (b"",)


def test_attributes_that_are_pickles_are_members() -> None:
    data = (FIXTURES / "pickled.h5").read_bytes()
    container = read_hdf5_values(io.BytesIO(data), len(data), Limits())
    names = [member.name for member in container.members]
    assert names == ["(attribute __TITLE).pkl", "(attribute _data_values).pkl", "(attribute _data_array).pkl"]
    for member in container.members:
        assert b"system" in container.open(member, Budget(Limits(), len(data))).read()


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1000,), {"chunks": (16,), "compression": "gzip"}),
        ((20_000,), {"chunks": (7,)}),
        ((20_000,), {"chunks": (7,), "maxshape": (None,), "compression": "lzf", "shuffle": True, "fletcher32": True}),
        ((1000,), {"chunks": (1000,), "compression": "gzip", "shuffle": True}),
        ((30, 40), {"chunks": (7, 11), "maxshape": (None, None), "compression": "lzf"}),
        ((5, 6, 7), {"chunks": (2, 3, 4), "maxshape": (None, 6, 7)}),
        ((500,), {}),
    ],
)
def test_data_sets_are_put_together_as_the_library_does_it(
    shape: tuple[int, ...], options: dict[str, Any], libver: str
) -> None:
    h5py = pytest.importorskip("h5py")
    np = pytest.importorskip("numpy")
    values = np.random.default_rng(1).integers(0, 4, shape, "u1")
    out = io.BytesIO()
    with h5py.File(out, "w", libver=libver) as file:
        file.create_dataset("x", data=values, **options)
        file.create_dataset("numbers", data=values.astype("f4"), **options)
    file = read_hdf5(out, len(out.getvalue()), Limits())
    assert [v for _, address in file.sets for v in values_of(file.source, address, Allowance())] == [values.tobytes()]


def test_a_filter_that_is_not_read_is_said() -> None:
    h5py = pytest.importorskip("h5py")
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_dataset("x", (100,), "u1", chunks=(10,), scaleoffset=4)[:] = 3
    container = read_hdf5_values(out, len(out.getvalue()), Limits())
    assert ["the HDF5 filter 6 is not read" in anomaly.detail for anomaly in container.anomalies] == [True]


def test_mutated_data_sets_end_in_content_errors_only() -> None:
    h5py = pytest.importorskip("h5py")
    seeds = []
    ways: list[tuple[str, dict[str, Any]]] = [
        ("earliest", {"compression": "gzip"}),
        ("latest", {"maxshape": (None,)}),
        ("latest", {"compression": "lzf"}),
    ]
    for libver, options in ways:
        out = io.BytesIO()
        with h5py.File(out, "w", libver=libver) as file:
            file.create_dataset("x", data=np_bytes(90), chunks=(7,), **options)
        seeds.append(out.getvalue())
    for data in mutated(seeds, 1500):
        try:
            read_hdf5_values(io.BytesIO(data), len(data), Limits())
        except ContentError:
            continue


def np_bytes(count: int) -> Any:
    return pytest.importorskip("numpy").arange(count, dtype="u1")
