"""What the benchmark of the probes measured is in the repository, and its page says what follows from it."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- behaviour:begin -->\n(.*)\n<!-- behaviour:end -->", re.DOTALL)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module


def test_the_page_says_what_the_shipped_code_makes_of_what_was_measured(bench: Any) -> None:
    rates, kept = bench("behaviour_rates"), bench("behaviour_kept")
    found = BLOCK.search((ROOT / "docs" / "benchmarks.md").read_text("utf-8"))
    assert found is not None
    (day,) = re.findall(r"^Judged (\S+) by", found[1])
    assert rates.page([kept.KEPT], "test", day).strip() == found[1]


def test_what_is_kept_names_no_place_of_a_machine(bench: Any) -> None:
    kept = bench("behaviour_kept")
    some = kept.lines(kept.KEPT)
    assert sum("raws" in one for one in some) > 20
    assert not re.search(r'"/(?:tmp|work|home|root|var)/', json.dumps(some))


def test_of_a_model_that_was_probed_again_by_the_same_plan_the_later_run_is_kept(bench: Any, tmp_path: Path) -> None:
    kept = bench("behaviour_kept")

    def run(name: str, plan: str, cpu: float) -> dict[str, Any]:
        return {"name": name, "plan": plan, "device": "cpu", "works": True, "cpu": cpu, "path": "/tmp/x", "raws": {}}

    before = [{"about": {"cores": 2}}, run("a", "10", 1.0), run("b", "10", 2.0)]
    after = kept.merged(before, [{"about": {"cores": 2}}, run("a", "10", 3.0), run("a", "11", 4.0)])
    assert [(one.get("name"), one.get("cpu")) for one in after] == [(None, None), ("a", 3.0), ("a", 4.0), ("b", 2.0)]
    assert not any("path" in one for one in after)
    cut = tmp_path / "raws.jsonl"
    cut.write_text(json.dumps(before[1]) + '\n{"name": "c", "ra')
    assert [one["name"] for one in kept.lines(cut)] == ["a"]
