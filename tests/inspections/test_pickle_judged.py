"""What the pickle inspector says about whole streams."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from datetime import UTC, datetime

import pytest

from assay.core.finding import Finding, Severity
from assay.inspections.parts import Collector, Ledger, Part
from assay.inspections.pickle import Pickle
from tests.support import pickle_asm as asm


def inspect(data: bytes, formats: tuple[str, ...] = ("pickle",)) -> Ledger:
    inspector, ledger = Pickle(), Ledger()
    out = Collector(ledger, "model.bin")
    inspector.inspect_part(Part("model.bin", (), formats, io.BytesIO(data), len(data)), out)
    inspector.finish(out)
    return ledger


def worst(data: bytes) -> Finding:
    return max(inspect(data).findings, key=lambda finding: finding.severity)


def test_a_call_is_named_with_its_argument() -> None:
    found = worst(asm.pickle(asm.call("posix", "system", "touch /tmp/assay-marker")))
    assert found.rule == "pickle-dangerous-call"
    assert found.severity is Severity.CRITICAL
    assert found.facts["call"] == "posix.system('touch /tmp/assay-marker')"
    assert found.where.offset == 44


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_clean(protocol: int) -> None:
    value = {"a": [1, 2.5, None, True, "x", b"y", (1, 2), {3}], "when": datetime.now(UTC), "o": OrderedDict(a=1)}
    ledger = inspect(pickle.dumps(value, protocol))
    assert not ledger.findings
    assert not ledger.unread


def test_unknown_code_is_medium_never_clean() -> None:
    found = worst(asm.pickle(asm.call("__main__", "Net")))
    assert (found.rule, found.severity) == ("pickle-unknown-code", Severity.MEDIUM)


def test_a_stream_that_acts_and_breaks_off_is_incomplete() -> None:
    ledger = inspect(asm.pickle(asm.call("collections", "OrderedDict"), b"\xff", stop=False))
    assert [f.rule for f in ledger.findings] == ["pickle-incomplete"]
    assert ledger.unread


def test_the_sandbox_is_reported() -> None:
    layers = inspect(pickle.dumps(1)).facts["sandbox"]
    assert layers["seccomp"] is True
    assert layers["no_open"] is True
