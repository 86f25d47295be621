"""One guest for the tests of a process: each conversion is a fresh worker of it all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assay.conversion.convert import convert
from assay.conversion.guest import LIMITS, Witness
from assay.inspections.runner import inspect
from assay.store.folder import folder_subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from assay.conversion.result import Conversion


@pytest.fixture(scope="session")
def witness() -> Iterator[Witness]:
    """A running guest."""
    with Witness(LIMITS) as one:
        yield one


@pytest.fixture
def converting(witness: Witness) -> Callable[..., Conversion]:
    """Scan and convert a folder."""

    def run(folder: Path, out: Path, **options: Any) -> Conversion:
        subject = folder_subject(folder)
        return convert(subject, out, inspect(subject, only_awake=True), witness, **options)

    return run
