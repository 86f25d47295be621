"""One template for all attacks: its sessions are fresh workers."""

from __future__ import annotations

import os

import pytest

from assay.core.limits import GIB, MIB
from assay.sandbox.guest import Guest, GuestLimits

SMALL = GuestLimits(memory_bytes=GIB, cpu_seconds=60, scratch_bytes=16 * MIB, output_bytes=MIB, processes=32)


@pytest.fixture(scope="session")
def guest():
    """A guest with small limits; the caller's environment holds a canary when it starts."""
    os.environ["ASSAY_TEST_CANARY"] = "seen"
    with Guest("assay.workers.loader", SMALL) as made:
        made.start()
        yield made
    del os.environ["ASSAY_TEST_CANARY"]
