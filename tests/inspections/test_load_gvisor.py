"""The inspector `load` in gVisor: the same files record the same, at the price of a cold start for each model."""

from __future__ import annotations

import pytest

from assay.core.limits import GIB, MIB
from assay.sandbox.guest import GuestLimits
from assay.sandbox.gvisor_guest import GvisorGuest
from tests.inspections.test_load import (
    test_a_real_model_through_transformers_records_nothing,
    test_clean_artifacts_of_every_framework_record_nothing,
    test_what_a_poisoned_artifact_tries_is_found,
)

__all__ = [
    "test_a_real_model_through_transformers_records_nothing",
    "test_clean_artifacts_of_every_framework_record_nothing",
    "test_what_a_poisoned_artifact_tries_is_found",
]
pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def guest():
    """The same loader and limits as everywhere, in gVisor."""
    limits = GuestLimits(memory_bytes=2 * GIB, cpu_seconds=120, scratch_bytes=16 * MIB, output_bytes=MIB, processes=32)
    with GvisorGuest("assay.workers.loader", limits) as made:
        yield made
