"""kill -9 at any moment of an admission: nothing half-admitted is served, and doing it again finishes it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from assay.registry.audit import audit
from assay.registry.catalog import Catalog
from assay.registry.records import Refused
from assay.store.blobs import open_blobs
from tests.registry import killed
from tests.support.admitted import NOW, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from assay.store.blobs import Blobs
    from assay.store.index import Index

MOMENTS = [24, pytest.param(120, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]


def _served_whole(index: Index, blobs: Blobs, number: int) -> bool:
    """Whether the model is served; if it is, everything that it needs must be there."""
    catalog = Catalog(index)
    if not catalog.revisions(killed.name(number)):
        with pytest.raises(Refused, match="never vetted"):
            catalog.resolve(killed.name(number), now=NOW)
        return False
    resolved = catalog.resolve(killed.name(number), now=NOW)
    expected = killed.files(number)
    assert resolved.snapshot == snapshot(expected, killed.name(number))
    for entry in resolved.snapshot.files:
        assert b"".join(blobs.stream(entry.digest)) == expected[entry.path]
    kinds = [statement.kind for statement in index.statements_for(resolved.snapshot.id)]
    assert kinds == ["fetched", "scanned", "approved", "ref"]
    assert all(index.get_evidence(digest) for digest in resolved.verdict.evidence)
    return True


@pytest.mark.parametrize("moments", MOMENTS)
def test_kill_9_at_any_moment(index: Index, index_url: str, tmp_path: Path, moments: int) -> None:
    where = str(tmp_path / "blobs")
    command = [sys.executable, "-m", "tests.registry.killed", index_url, where, str(moments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=850, check=False)
    assert (result.stdout, result.returncode) == (f"{moments}\n", 0), result.stderr
    blobs = open_blobs(where)
    assert all(found.problem is None for found in blobs.scrub())
    served = [_served_whole(index, blobs, number) for number in range(2 + moments)]
    assert served[:2] == [True, True]
    assert not served[2]  # killed before it began
    assert served[-1]  # killed after the commit
    assert sum(served) < moments // 2  # most moments lie before the one commit that publishes
    assert index.verify_log().ok
    assert audit(index) == ()
    for number, whole in enumerate(served):
        if not whole:
            killed.admit(index_url, where, number)
            assert _served_whole(index, blobs, number)
        assert len(Catalog(index).revisions(killed.name(number))) == 1
    assert index.verify_log().ok
    assert audit(index) == ()
    assert list((tmp_path / "blobs" / "tmp").iterdir()) == []
