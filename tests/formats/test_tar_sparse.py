"""Sparse members are read as `tarfile` reads them, from archives of GNU tar and from broken ones."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from assay.core.errors import ContentError, LimitExceeded
from assay.core.limits import Limits
from assay.formats.containers.members import Budget
from assay.formats.containers.tar_archive import read_tar

if TYPE_CHECKING:
    from pathlib import Path

FORMS = {
    "gnu": ["--format=gnu"],
    "pax-0.0": ["--format=posix", "--sparse-version=0.0"],
    "pax-0.1": ["--format=posix", "--sparse-version=0.1"],
    "pax-1.0": ["--format=posix", "--sparse-version=1.0"],
}


def contents(data: bytes, limits: Limits | None = None) -> dict[str, bytes]:
    limits = limits or Limits()
    archive = read_tar(io.BytesIO(data), len(data), limits)
    budget = Budget(limits, len(data))
    return {member.name: archive.open(member, budget).read() for member in archive.members if member.kind == "file"}


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    """Thirty stretches: more than a header holds; another member follows."""
    with (tmp_path / "holes").open("wb") as file:
        for number in range(30):
            file.seek(number * 65536)
            file.write(b"%03d" % number * 100)
        file.truncate(30 * 65536)
    (tmp_path / "plain").write_bytes(b"behind")
    command = ["tar", "-c", "--sparse", "--hole-detection=raw", *request.param, "-C", tmp_path, "holes", "plain"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_as_tarfile_reads_it(archive: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert any(member.sparse for member in tar)
        expected = {member.name: tar.extractfile(member).read() for member in tar}
    assert contents(archive) == expected


def test_holes_count_against_the_budget(archive: bytes) -> None:
    with pytest.raises(LimitExceeded):
        contents(archive, Limits(expansion_floor_bytes=1 << 20, expansion_ratio=1))


def test_broken_maps_are_content_errors_at_most(archive: bytes) -> None:
    for position in range(0, 2048, 7):
        broken = bytearray(archive[:40_000])
        broken[position] ^= 0x5A
        try:
            contents(bytes(broken), Limits(expansion_floor_bytes=4 << 20))
        except (ContentError, LimitExceeded):
            continue
