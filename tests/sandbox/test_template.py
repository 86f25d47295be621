"""What the template does before any model is there."""

from __future__ import annotations

import gc
import sys
from types import ModuleType

import pytest

from assay.sandbox.inside import imported


def _worker(monkeypatch: pytest.MonkeyPatch, *, broken: bool = False) -> list[bool]:
    """A module `made_up_worker`; whether garbage was looked for while it imported its frameworks."""
    seen: list[bool] = []

    def preload() -> dict[str, str]:
        seen.append(gc.isenabled())
        if broken:
            raise ImportError("no such framework")
        return {"made-up": "1"}

    module = ModuleType("made_up_worker")
    monkeypatch.setattr(module, "preload", preload, raising=False)
    monkeypatch.setitem(sys.modules, "made_up_worker", module)
    return seen


def test_what_frameworks_make_is_not_looked_at_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _worker(monkeypatch)
    frozen = gc.get_freeze_count()
    module, frameworks = imported("made_up_worker")
    assert (module, frameworks, seen) == (sys.modules["made_up_worker"], {"made-up": "1"}, [False])
    assert gc.isenabled()  # what models leave behind is collected
    assert gc.get_freeze_count() > frozen


def test_an_import_that_fails_leaves_the_collector_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _worker(monkeypatch, broken=True)
    with pytest.raises(ImportError, match="no such framework"):
        imported("made_up_worker")
    assert seen == [False]
    assert gc.isenabled()
