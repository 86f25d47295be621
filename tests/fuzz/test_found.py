"""What fuzzing found, one test each."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.formats.containers.members import Budget, expand, slice_of
from assay.formats.torch_export import plain_expression
from assay.formats.yaml_text import read_yaml
from tests.support.fuzz_parsers import AsOnDisk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("offset", [1 << 62, 1 << 63, 1 << 64, (1 << 80) + 5])
def test_a_member_behind_every_end_is_broken_content_and_no_fault_of_the_machine(offset: int, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with (tmp_path / "x").open("rb") as file:
        for stream in (file, io.BytesIO(b"x"), AsOnDisk(b"x")):
            stretch = slice_of(stream, offset, 100)
            try:
                assert stretch.read(10) == b""  # BytesIO, and file systems that allow it
            except ContentError:
                continue
        with pytest.raises(ContentError):
            expand(iter(lambda: slice_of(AsOnDisk(b"x"), offset, 100).read(10), b""), Budget(Limits(), 1))


@pytest.mark.parametrize("character", ["\0", "\x08", "\x7f", "\ufffe"])
def test_characters_that_yaml_does_not_allow(character: str) -> None:
    with pytest.raises(ContentError, match="not YAML"):
        read_yaml(f"a: {character}", depth=32)


@pytest.mark.parametrize("piece", ["x", "x1", "1x", "x ", " ", "é", "x.", "("])
def test_expressions_are_judged_in_linear_time(piece: str) -> None:
    started = time.process_time()
    plain_expression(piece * (10_000 // len(piece)))
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize(
    ("text", "plain"),
    [("Max (1, s0)", True), ("2*(s0 + 1)", True), ("1.5*s0", True), ("2.e3", True), ("e (s0)", False), ("é(s0)", False),
     ("é.x", False), ("s0 . real", False), ("1or(x)", False), ("(s0) .x", False)],
)  # fmt: skip
def test_names_are_found_wherever_they_stand(text: str, *, plain: bool) -> None:
    assert plain_expression(text) is plain
