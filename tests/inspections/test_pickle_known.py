"""What harmless files of frameworks do, and how near to it an attack may come."""

from __future__ import annotations

import datetime as dt
import decimal
import http
import inspect
import io
import json
import logging
import operator
import os
import pickle
import signal
import socket
import ssl
import struct
import urllib.parse
import zipfile
import zoneinfo
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from scipy import stats

from assay.core.finding import Finding, Severity
from assay.inspections.parts import Collector, Ledger, Part
from assay.inspections.pickle import Pickle


def serious(data: bytes, **options: Any) -> list[Finding]:
    inspector, ledger = Pickle(), Ledger()
    part = Part(options.pop("name", "model.pkl"), (), ("pickle",), io.BytesIO(data), len(data), **options)
    inspector.inspect_part(part, Collector(ledger, part.path))
    inspector.finish(Collector(ledger, ""))
    return [finding for finding in ledger.findings if finding.severity >= Severity.MEDIUM]


HARMLESS = {
    "distribution": stats.norm,
    "frozen": stats.binom(4, 0.5),
    "many-distributions": [stats.norm(0, n) for n in range(9)],
    "zones": [dt.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo(zone)) for zone in ("Europe/Berlin", "Asia/Tokyo")],
    "logger": logging.getLogger("a.b"),
    "getter": operator.itemgetter(1),
    "error": FileNotFoundError(2, "x"),
    "errors": [json.JSONDecodeError("a", "b", 0), struct.error("x"), decimal.InvalidOperation()],
    "enumerations": [http.HTTPStatus.OK, signal.SIGINT, socket.AF_INET, ssl.TLSVersion.TLSv1_2],
    "tuples": [urllib.parse.urlparse("http://a/b"), os.terminal_size((1, 2)), decimal.Decimal(1).as_tuple()],
    "signature": inspect.signature(lambda a, b=1: a),
    "context": decimal.Context(3),
    "functions": [torch.tanh, torch.nn.functional.relu, np.linalg.norm],
    "arrays": [np.arange(n, dtype=np.int64) for n in (900, 900, 901, 902, 903, 904)],
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("value", HARMLESS.values(), ids=HARMLESS)
def test_what_frameworks_write_is_no_finding(value: Any, protocol: int) -> None:
    assert not serious(pickle.dumps(value, protocol))


@pytest.mark.parametrize(
    "name",
    ["os system", "socket socket", "signal signal", "inspect getattr_static", "posix system", "logging FileHandler"],
)
def test_neighbours_of_value_types_are_not_known(name: str) -> None:
    module, _, attribute = name.partition(" ")
    assert serious(f"c{module}\n{attribute}\n(S'x'\ntR.".encode())


@pytest.mark.parametrize("protocol", [4, 5])
def test_methods_of_built_in_types_may_be_kept(protocol: int) -> None:
    assert not serious(pickle.dumps([str.lower, str.split, dict.get], protocol))


@pytest.mark.parametrize("method", ["str.lower", "str.format", "dict.get", "dict.pop"])
def test_methods_of_built_in_types_are_not_called(method: str) -> None:
    holder, _, name = method.partition(".")
    data = f"cbuiltins\ngetattr\n(cbuiltins\n{holder}\nS'{name}'\ntR(S'A'\ntR.".encode()
    assert serious(data)


def test_a_distribution_with_a_text_of_its_own_is_dangerous() -> None:
    data = pickle.dumps(stats.norm, 4)
    assert b"return (), loc, scale\n" in data
    changed = data.replace(b"return (), loc, scale\n", b"return exit() or scale\n"[:22], 1)
    assert len(changed) == len(data)
    assert any("runs a text of its state" in finding.message for finding in serious(changed))


def test_two_long_byte_strings_that_differ_late_are_two() -> None:
    """The readings list the same calls, however alike their arguments begin."""
    values = [np.frombuffer(bytes(2000) + bytes([n]) * 8, np.uint8) for n in range(9)]
    assert not serious(pickle.dumps(values, 5))


def test_a_storage_larger_than_its_record_is_told() -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(100)}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        data, records = archive.read(name), {item.filename: item.file_size for item in archive.infolist()}
    record = next(record for record in records if record.endswith("data/0"))
    options = {"within": ("torch-zip", "zip"), "name": name}
    assert not serious(data, sizes=records, **options)
    (found,) = serious(data, sizes=records | {record: 399}, **options)
    assert found.rule == "torch-tensor-layout"
    assert "400 bytes" in found.message


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [np.arange(3.0), {"a": np.ones((2, 2), np.float32), "b": "x"}])
def test_what_joblib_writes_in_every_protocol(protocol: int, value: Any) -> None:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, protocol=protocol)
    assert not serious(buffer.getvalue(), name="model.joblib")


def _script_object(name: str) -> bytes:
    return b"\x80\x02ctorch\nScriptObject\n)\x81(K\x01X" + len(name).to_bytes(4, "little") + name.encode() + b"tb."


def test_packed_parameters_are_the_only_script_objects() -> None:
    """What `torch.ScriptObject` makes is a class registered in C++, by the name in its state."""
    assert not serious(_script_object("__torch__.torch.classes.quantized.LinearPackedParamsBase"))
    assert serious(_script_object("__torch__.torch.classes.tensorrt.Engine"))
    assert serious(_script_object("__torch__.torch.classes.quantized.X.y"))
