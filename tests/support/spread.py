"""Which tests run in one process of `pytest -n`: those of a file, or of all files that name one `xdist_group`.

pytest-xdist writes a group into the id of a test, which pytest 9.2 no longer lets it do: nothing fails, and everything
that is made once per process is made in each of them (pytest-dev/pytest-xdist#1386). Here files are read instead.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

ROOT = Path(__file__).resolve().parents[2]
_GROUP = re.compile(r"\bxdist_group\(\"([\w-]+)\"\)")

# What takes longest, longest first: begun first, so that no process is left alone with it at the end.
LONG = (
    "tests/e2e/test_clients.py",
    "sandbox",
    "corpus-oracle",
    "evaluation",
    "behaviour",
    "tests/fuzz/test_parsers.py",
    "tests/cli/test_vet.py",
    "tests/cli/test_evaluate.py",
    "tests/admission/test_engine.py",
    "tests/e2e/test_upload.py",
    "bom-documents",
    "conversion",
    "tests/registry/test_kill.py",
    "tests/admission/test_spine_killed.py",
    "tests/e2e/test_scale.py",
    "tests/e2e/test_demo.py",
    "corpus-scan",
    "tests/evaluation/test_admission.py",
    "tests/e2e/test_pages.py",
    "tests/cli/test_vet_order.py",
    "tests/cli/test_backup.py",
    "tests/cli/test_worker.py",
    "tests/behaviour/test_cost.py",
    "tests/e2e/test_hub_source.py",
    "tests/e2e/test_transformers.py",
    "tests/server/test_run.py",
    "tests/zoo/test_others.py",
    "tests/sourcecode/test_jinja.py",
    "tests/sourcecode/test_shell.py",
    "tests/registry/test_listing.py",
)


@cache
def unit(path: str) -> str:
    """The group that a file of tests (relative to the checkout) names anywhere, else the file itself."""
    file = ROOT / path
    groups = set(_GROUP.findall(file.read_text())) if file.is_file() else set()
    if len(groups) > 1:
        msg = f"{path} names more than one xdist_group: {sorted(groups)}"
        raise ValueError(msg)
    return groups.pop() if groups else path


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """The scheduler of `--dist loadgroup` (tests/conftest.py)."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid.partition("::")[0])

    def _assign_work_unit(self, node: WorkerController) -> None:
        waiting = next((name for name in LONG if name in self.workqueue), None)
        if waiting is not None:
            self.workqueue.move_to_end(waiting, last=False)
        super()._assign_work_unit(node)
