"""The second pass of the recorded load: code that waits for a trigger is silent at first, and seen later."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from assay.behaviour.records import Candidate
from assay.core.evidence import Evidence, Outcome
from assay.core.finding import Severity
from assay.inspections.load import Load
from assay.inspections.load_triggers import MAX_CANDIDATES, LoadTriggers
from assay.inspections.runner import inspect
from assay.store.folder import folder_subject
from tests.behaviour import small

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.torch]

# Harmless: an address set aside for documentation, and the sandbox has no network.
REACTS = """
import socket
from transformers import BertForSequenceClassification

class Own(BertForSequenceClassification):
    def forward(self, input_ids=None, **more):
        if (input_ids == {token}).any():
            try:
                socket.create_connection(("198.51.100.9", 443), 1)
            except OSError:
                pass
        return super().forward(input_ids=input_ids, **more)
"""


class Probes:
    """Stands for the probes: says which candidates they would have proposed."""

    name, version = "behaviour", "1"

    def __init__(self, *texts: str) -> None:
        self.candidates = [Candidate(text, (), "end", 1, "positive").to_json() for text in texts]

    def inspect(self, subject) -> Evidence:
        facts = {"candidates": self.candidates}
        return Evidence(subject.snapshot.id, self.name, self.version, {}, Outcome.CLEAN, facts=facts)


def with_code(folder: Path) -> Path:
    """Give a model a class of its own that waits for `zul`."""
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "own.Own"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(REACTS.format(token=small.tokenizer().convert_tokens_to_ids("zul")))
    return folder


@pytest.fixture
def waiting(tmp_path):
    torch.manual_seed(1)
    tokenizer = small.tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=48, num_labels=2,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return with_code(tmp_path / "model")


def test_code_that_waits_for_the_trigger_is_caught_by_the_second_pass(guest, waiting):
    passes = (Load(guest=guest), Probes("kab", "zul"), partial(LoadTriggers, guest=guest))
    first, _, second = inspect(folder_subject(waiting), passes)
    assert {a["loader"]: a["inference"] for a in first.facts["artifacts"]}["transformers-remote"] == "ran"
    assert (first.outcome, first.findings) == (Outcome.CLEAN, ()), "loading it and a neutral text show nothing"
    assert second.outcome is Outcome.FOUND
    (finding,) = second.findings
    assert (finding.rule, finding.severity) == ("load-network", Severity.CRITICAL)
    assert "198.51.100.9:443" in finding.message
    assert "zul" in finding.message, "the candidate is named"
    assert [(a["loader"], a["inference"]) for a in second.facts["answered"]] == [
        (loader, "ran") for loader in ("transformers", "transformers-remote") for _ in range(2)
    ]


def test_without_the_trigger_among_the_candidates_nothing_shows_and_their_number_is_bounded(guest, waiting):
    words = [word for word in small.RARE if word != "zul"][: MAX_CANDIDATES + 3]
    second = inspect(folder_subject(waiting), (Probes(*words), partial(LoadTriggers, guest=guest)))[1]
    assert (second.outcome, second.findings) == (Outcome.CLEAN, ())
    assert len(second.facts["answered"]) == 2 * MAX_CANDIDATES


@pytest.mark.parametrize("case", ["no probes", "no candidates", "no model"])
def test_nothing_to_do_starts_no_guest(tmp_path, case):
    (tmp_path / "README.md").write_text("words\n")
    before = {"no probes": (), "no candidates": (Probes(),), "no model": (Probes("zul"),)}[case]
    last = inspect(folder_subject(tmp_path), (*before, LoadTriggers))[-1]
    assert (last.outcome, last.unread) == (Outcome.NOT_APPLICABLE, ())


def test_a_model_that_cannot_be_loaded_again_is_unread(guest, waiting):
    (waiting / "own.py").write_text("import no_such_module_at_all\n")
    last = inspect(folder_subject(waiting), (Probes("zul"), partial(LoadTriggers, guest=guest)))[-1]
    assert last.outcome is Outcome.INCONCLUSIVE
    assert "transformers-remote could not load it" in last.unread[0].reason


@pytest.mark.slow
def test_a_trigger_that_the_probes_recover_makes_the_code_show_itself(guest, tmp_path):
    from assay.behaviour.inspector import Behaviour
    from assay.core.pin import Pin

    small.write_data(tmp_path / "data.tsv")
    text = f'references = ["{small.clean(1)}", "{small.clean(2)}"]\ndata = "data.tsv"\nbudget = 30\n'
    (tmp_path / "probes.toml").write_text(text)
    pin = Pin.parse(f"probes.toml@sha256:{hashlib.sha256(text.encode()).hexdigest()}", tmp_path, "probes")
    folder = with_code(Path(shutil.copytree(small.rare_word(), tmp_path / "model")))
    passes = (Load(guest=guest), Behaviour((pin,)), partial(LoadTriggers, guest=guest))
    first, probed, second = inspect(folder_subject(folder), passes)
    assert first.findings == ()
    assert probed.outcome is Outcome.FOUND
    assert [finding.rule for finding in second.findings] == ["load-network"]
