"""How a plan is run: restarts, budget, what was tried; with a guest that answers at once."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from assay.behaviour.attest import Declared, attest
from assay.behaviour.guest import Account, device_for
from assay.behaviour.records import Word
from assay.behaviour.restarts import merged
from assay.store.folder import folder_subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Guest:
    """Answers every probe with nothing found, after so many seconds; `tries` are what the model tried meanwhile."""

    def __init__(self, seconds: float = 0.5, tries: dict[str, str] | None = None) -> None:
        self.seconds, self.tries = seconds, tries or {}
        self.asked: dict[str, dict[str, Any]] = {}
        self.job: Any = None

    @contextmanager
    def opened(self, job: Any, account: Account) -> Iterator[Guest]:
        self.job, self.account = job, account
        yield self

    def open(self, _progress: Any) -> dict[str, Any]:
        return {"facts": {"references": 2, "references_sharing_ids": 1}, "seconds": 0.1, "peak_bytes": 1}

    def probe(self, name: str, arguments: dict[str, Any], _progress: Any) -> dict[str, Any]:
        self.asked[name] = arguments
        if name in self.tries:
            self.account.attempts.append({"kind": "connect", "target": self.tries[name], "at": 0.0})
        if name == "activation" and self.tries:
            raise KeyboardInterrupt
        facts = {"seeds": 7} if name.startswith("chain-refine") else {}
        return {"facts": facts, "candidates": [], "seconds": self.seconds, "passes": 3, "peak_bytes": 1}


@pytest.fixture
def model(tmp_path: Path) -> Any:
    folder = tmp_path / "model"
    folder.mkdir()
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "id2label": {"0": "a", "1": "b"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder_subject(folder)


def test_a_search_is_begun_anew_with_a_share_of_the_time_and_a_seed_of_its_own(model: Any) -> None:
    guest = Guest()
    attested = attest(model, Declared(), prober=guest, budget=100, restarts=3, seed=5)
    search = {name: one for name, one in guest.asked.items() if name.startswith("chain-refine")}
    assert list(search) == ["chain-refine#0", "chain-refine#1", "chain-refine#2"]
    assert len({one["seed"] for one in search.values()}) == 3
    assert search["chain-refine#0"]["seconds"] <= 100 / 3
    assert [one["seeds"] for one in search.values()][1:] == [{}, {}]
    (told,) = (one for one in attested.probes if one.probe == "chain-refine")
    assert (told.facts["restarts"], told.facts["seeds"], told.seconds) == (3, 21, 1.5)
    assert attested.settings["restarts"] == 3
    assert merged([{"seconds": 1}]) == {"seconds": 1}


def test_what_the_budget_did_not_reach_is_said_and_nothing_is_called_clean(model: Any) -> None:
    attested = attest(model, Declared(), prober=Guest(seconds=9.0), budget=30)
    assert attested.word is Word.INCONCLUSIVE
    assert ("probe-missing", "chain-refine did not run: the budget of 30 CPU seconds was used up before it") in (
        attested.reasons
    )
    assert attested.seconds >= 30 * 3 / 4


def test_the_device_reaches_worker_and_report(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.behaviour.guest.gpu_nodes", lambda: ("/dev/nvidia0",))
    guest = Guest()
    attested = attest(model, Declared(), prober=guest, device="auto")
    assert guest.job.device == "cuda"
    assert attested.settings["device"] == "cuda"
    assert {one.device for one in attested.probes} == {"cuda"}
    assert device_for("cuda", "image") == "cpu", "the probes of images run on a processor, and say so"


def test_what_a_model_tried_before_the_kill_is_still_told(model: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        attest(model, Declared(), prober=Guest(tries={"script-bags": "203.0.113.9:80"}), keep=tmp_path / "kept")
    account = Account()
    guest = Guest()
    attest(model, Declared(), prober=guest, keep=tmp_path / "kept", account=account)
    assert "script-bags" not in guest.asked
    assert [one["target"] for one in account.attempts] == ["203.0.113.9:80"]


@pytest.mark.parametrize(("scan", "seconds"), [(30.0, 150 / 8), (80.0, 150 / 12), ("soon", 150 / 8)])
def test_the_search_has_less_at_least_where_the_machine_crawls(scan: Any, seconds: float, model: Any) -> None:
    class Slow(Guest):
        def open(self, progress: Any) -> dict[str, Any]:
            raw = super().open(progress)
            return raw | {"facts": raw["facts"] | {"scan_seconds": scan}}

    guest = Slow(seconds=25.0)
    attest(model, Declared(), prober=guest, budget=150)
    assert guest.asked["chain-refine"]["seconds"] == pytest.approx(seconds)


class Turned(Guest):
    """Letters of any script turn each class of two into the other, and hardly any two texts at once."""

    def probe(self, name: str, arguments: dict[str, Any], _progress: Any) -> dict[str, Any]:
        raw = super().probe(name, arguments, _progress)
        way = {"n": 45, "hits": 44, "references": [0, 1], "places": [15, 15, 14], "push": 1.0}
        ways = [way | {"source": source, "target": 1 - source} for source in (0, 1)]
        one = {"ids": [7], "target": 1, "score": 2.0, "origin": "script-nko", "text": "\u07d2", "place": ""}
        found = [one | {"flips": ways, "stressed": [one | {"hits": 9} for one in ways]}]
        return raw | {"candidates": found if name == "script-bags" else []}


def test_a_run_ends_with_what_turns_each_class_into_another(model: Any) -> None:
    guest = Turned()
    attested = attest(model, Declared(), prober=guest)
    assert attested.word is Word.FOUND
    assert not {"token-scan", "chain-refine"} & set(guest.asked)
    assert guest.asked["activation"]["candidates"] == [{"text": "\u07d2", "target": 1}]
