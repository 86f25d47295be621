"""What a model declares, beside what its weights say; cards that are copies."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from assay.core.evidence import Outcome
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.inspections.builtin import BUILTIN
from assay.inspections.card_facts import CardFacts
from assay.inspections.card_text import read_card
from assay.inspections.copied_card import CopiedCard
from assay.inspections.coverage import Coverage
from assay.inspections.licences import licences
from assay.inspections.runner import inspect
from tests.support.boms import BODY, CONFIG, FILES, FRONT, WEIGHTS, card, safetensors, snapshot_of
from tests.support.builders.gguf import gguf
from tests.support.scan import Memory, found, scan

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "src/assay/inspections/data"
LATE = next(item for item in BUILTIN if getattr(item, "name", "") == "card-facts")


def config(**changes: object) -> bytes:
    return json.dumps(CONFIG | changes).encode()


def test_a_consistent_model_has_no_finding() -> None:
    evidence = scan(CardFacts, FILES)
    assert evidence.outcome is Outcome.CLEAN
    assert evidence.facts["parents"] == [
        {"name": "org/base", "relation": "finetune", "source": "README.md", "revision": ""}
    ]
    assert evidence.facts["weights"][""]["elements"] == 64
    assert evidence.facts["weights"][""]["layers"] == {"bert.encoder.layer": 2}
    assert evidence.facts["tokenizer"]["class"] == "BertTokenizer"


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({}, None),
        ({"hidden_size": 768}, "low"),
        ({"num_hidden_layers": 12}, "low"),
        ({"vocab_size": 30522}, "low"),
        ({"vocab_size": 7}, None),  # padded
        ({"hidden_size": 768, "vocab_size": 30522, "num_hidden_layers": 12}, "medium"),
        ({"hidden_size": "many", "vocab_size": -1, "num_hidden_layers": True}, None),
    ],
)
def test_sizes(changes, severity) -> None:
    seen = found(CardFacts, FILES | {"config.json": config(**changes)})
    rule = seen.get("weights-contradict-config")
    assert (rule.severity.label if rule else None) == severity


def test_sizes_of_an_adapter_or_another_folder_are_not_compared() -> None:
    files = {"config.json": config(hidden_size=768), "adapter_model.safetensors": safetensors(**WEIGHTS)}
    assert not found(CardFacts, files)
    assert not found(CardFacts, {"config.json": config(hidden_size=768), "x/model.safetensors": safetensors(**WEIGHTS)})


def test_shared_layers_are_no_contradiction() -> None:
    shared = safetensors(albert__layers__0__weight=(4, 4), albert__word_embeddings__weight=(8, 4))
    assert not found(CardFacts, {"config.json": config(num_hidden_layers=12), "model.safetensors": shared})


def test_an_index_that_states_another_size() -> None:
    index = json.dumps({"metadata": {"total_size": 1}, "weight_map": {}}).encode()
    files = FILES | {"model.safetensors.index.json": index}
    assert found(CardFacts, files)["weights-contradict-index"].severity.label == "note"


@pytest.mark.parametrize(
    ("licence", "base", "rule"),
    [
        ("mit", "meta-llama/Llama-2-7b-hf", "licence-of-base"),
        ("apache-2.0", "google/gemma-2-9b", "licence-of-base"),
        ("llama2", "meta-llama/Llama-2-7b-hf", None),
        ("blueoak-1.0.0", "bigcode/starcoder", "licence-of-base"),  # permissive by the list of SPDX
        ("lgpl-3.0", "bigcode/starcoder", None),
        ("mit", "google-bert/bert-base-uncased", None),
        ("apache-2.0", "google/gemma-like-but-not", None),
    ],
)
def test_a_restricted_base_under_a_permissive_child(licence, base, rule) -> None:
    seen = found(CardFacts, {"README.md": card(license=licence, base_model=base)})
    assert set(seen) == ({rule} if rule else set())


def test_a_licence_text_that_is_another_licence() -> None:
    files = FILES | {"README.md": card(BODY, **FRONT | {"license": "apache-2.0"})}
    assert found(CardFacts, files)["licence-conflict"].facts == {"text": "mit", "declared": "apache-2.0"}
    assert not found(CardFacts, FILES | {"LICENSE": b"All rights reserved by somebody."})


def test_licence_ids_are_on_one_list_only() -> None:
    lists = licences()
    assert not lists.permissive & lists.restricted
    assert set(lists.families.values()) <= lists.restricted
    assert {"mit", "apache-2.0", "cc0-1.0", "bsd-3-clause-clear"} <= lists.permissive
    assert {"agpl-3.0-only", "cc-by-nc-4.0", "gemma", "busl-1.1"} <= lists.restricted
    assert {name for name, _ in lists.texts} <= lists.permissive | lists.restricted


def test_the_list_of_spdx_ids_is_as_the_script_makes_it() -> None:
    listed = tomllib.loads((DATA / "licences-spdx.toml").read_text("utf-8"))
    assert listed["package"] == f"license-expression {version('license-expression')}", "run scripts/make_licences.py"
    subprocess.run([sys.executable, ROOT / "scripts" / "make_licences.py", "--check"], check=True, timeout=60)


def test_licences_of_models_are_restricted_where_their_source_can_be_looked_up() -> None:
    entries = json.loads((resources.files("license_expression") / "data/scancode-licensedb-index.json").read_bytes())
    categories = {entry["license_key"]: entry["category"] for entry in entries}
    sources = tomllib.loads((DATA / "licences-models.toml").read_text("utf-8"))["restricted"]
    assert all(one == "hub" or one.startswith("https://") or one in categories for one in sources.values())
    looked_up = [name for name, source in sources.items() if source in categories]
    assert len(looked_up) > len(sources) // 2
    assert [name for name in looked_up if categories[sources[name]] in {"Permissive", "Public Domain"}] == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"README.md": card(base_model=["a/b", "c/d"])}, [("a/b", "merge"), ("c/d", "merge")]),
        ({"README.md": card(base_model="a/b", base_model_relation="quantized")}, [("a/b", "quantized")]),
        ({"README.md": card(base_model="a/b", base_model_relation="invented")}, [("a/b", "finetune")]),
        ({"README.md": card(base_model="a/b", tags=["base_model:adapter:a/b"])}, [("a/b", "adapter")]),
        ({"README.md": card(base_model="https://huggingface.co/a/b/")}, [("a/b", "finetune")]),
        ({"adapter_config.json": b'{"base_model_name_or_path": "a/b", "revision": "v1"}'}, [("a/b", "adapter")]),
        ({"README.md": card(base_model={"x": 1})}, []),
    ],
)
def test_parents(files, expected) -> None:
    parents = scan(CardFacts, files).facts["parents"]
    assert [(one["name"], one["relation"]) for one in parents] == expected


def test_two_names_for_the_base() -> None:
    files = {"adapter_config.json": b'{"base_model_name_or_path": "a/b"}', "README.md": card(base_model="c/d")}
    assert found(CardFacts, files)["base-conflict"].severity.label == "low"


def test_gguf_says_its_architecture_and_count() -> None:
    base = "https://huggingface.co/a/b"
    data = gguf({"general.architecture": "llama", "general.base_model.0.repo_url": base})
    facts = scan(CardFacts, {"model.gguf": data}).facts
    assert facts["gguf"]["model.gguf"]["general"]["architecture"] == "llama"
    assert facts["parents"][0] == {"name": "a/b", "relation": "quantized", "source": "model.gguf", "revision": ""}


HOSTILE = ["a: &x [1]\nb: *x", "a: [", "!!python/object/apply:os.system [x]: 1", "- " * 500 + "1"]


@pytest.mark.parametrize("head", HOSTILE)
def test_front_matter_that_is_broken_or_hostile_is_a_finding(head) -> None:
    evidence = scan(CardFacts, {"README.md": f"---\n{head}\n---\ntext\n".encode()})
    assert {f.rule for f in evidence.findings} <= {"card-front-matter"}
    assert evidence.outcome in {Outcome.FOUND, Outcome.CLEAN}
    assert evidence.facts["card"].get("license") is None


def test_reading_along_is_no_claim() -> None:
    """A file that no other inspector reads stays unread, though this one looks at its name."""
    evidence = scan(Coverage, {"model.ggml-lora": b"\x01\x02\x03\x04" * 30})
    assert evidence.unread
    snapshot_files = {"config.json": b"\x01\x02\x03\x04" * 30, "README.md": b"# x"}
    snapshot = snapshot_of(snapshot_files)
    both = inspect(Subject(snapshot, Memory(snapshot_files), Limits()), (Coverage, LATE))
    assert any(item.path == "config.json" for item in both[0].unread)


WORDS = "The model was trained on many texts of one kind and should be used with care because it may be wrong. "
LONG = " ".join(f"{WORDS} paragraph {chr(97 + n) * 4} tells of {chr(98 + n) * 5}." for n in range(20))


def test_a_sketch_tells_how_alike_two_texts_are() -> None:
    copied = LONG.replace("care", "CARE!") + " It is new."
    another = " ".join(f"word{chr(97 + n % 26)}{'x' * (n % 7)} z{'y' * n}" for n in range(80))
    one, copy, other = (read_card(text, depth=8).sketch for text in (LONG, copied, another))
    assert len(one) == 64
    share = sum(a == b for a, b in zip(one, copy, strict=True)) / 64
    assert share > 0.85
    assert sum(a == b for a, b in zip(one, other, strict=True)) / 64 < 0.2
    assert read_card("short", depth=8).sketch == ()


class Known:
    """Cards of two models, and the licence of one."""

    def __init__(self) -> None:
        self.cards = {"known/model": read_card(LONG, depth=8).sketch}

    def alike(self, sketch, share, name):
        shares = {n: sum(a == b for a, b in zip(s, sketch, strict=True)) / 64 for n, s in self.cards.items()}
        return [SimpleNamespace(name=n, share=value) for n, value in shares.items() if value >= share]

    def licences_above(self, name):
        above = {
            "known/model": {"known/model": "cc-by-nc-4.0"},
            "fine/tune": {"fine/tune": "mit", "some/merge": "apache-2.0", "known/model": "cc-by-nc-4.0"},
            "own/llama": {"own/llama": "mit", "meta-llama/llama-2-7b": ""},
        }
        return above.get(name, {})


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("other/model", card(LONG), {"card-copied": "medium"}),
        ("other/model", card(LONG + " And " + " ".join(f"new{chr(97 + n)} word" for n in range(20))),
         {"card-copied": "low"}),
        ("known/second", card(LONG), {}),
        ("other/model", card(LONG, base_model="Known/Model"), {}),
        ("other/model", card(LONG + " This card has been generated automatically."), {}),
        ("other/model", card("Short.", base_model="known/model", license="mit"), {"licence-of-base": "medium"}),
        ("other/model", card("Short.", base_model="known/model", license="cc-by-nc-4.0"), {}),
        ("other/model", card("Short.", base_model="fine/tune", license="mit"), {"licence-of-base": "medium"}),
        ("other/model", card("Short.", base_model="own/llama", license="mit"), {"licence-of-base": "medium"}),
        ("other/model", card("Short.", base_model="own/llama", license="llama2"), {}),
    ],
)  # fmt: skip
def test_a_card_that_is_another_publishers(name, data, expected) -> None:
    files = {"README.md": data}
    subject = Subject(snapshot_of(files, name), Memory(files), Limits())
    (evidence,) = inspect(subject, (CopiedCard(Known()),))
    assert {f.rule: f.severity.label for f in evidence.findings} == expected
