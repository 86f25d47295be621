"""One guest for the tests of a process: each run is a fresh worker of it all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assay.evaluation.guest import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """A running guest."""
    with Runner(threads=1) as one:
        yield one
