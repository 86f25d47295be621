"""How `scripts/make_allowlists.py` reads classes: what a pickle can make run when it sets their state."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.inspections.pickle_names import known

SCRIPTS = Path(__file__).parents[2] / "scripts"
CALLS = "calls ?.system()"
SETTER = """
    @property
    def mode(self): return 1
    @mode.setter
    def mode(self, value): __import__("os").system(value)
"""
MODULE = "class Module:\n    def __setstate__(self, state):\n        self.__dict__.update(state)\n"
SOURCES = {
    "torch/nn/modules/module.py": MODULE,
    "lib/plain.py": f"class Plain:\n    pass\n{SETTER}",
    "lib/model.py": f"from torch.nn.modules.module import Module\nclass Model(Module):\n    pass\n{SETTER}",
    "lib/assigns.py": "from torch.nn.modules.module import Module\nclass Assigns(Module):\n"
    f"    def __setstate__(self, state):\n        for k in state: setattr(self, k, state[k])\n{SETTER}",
    "lib/other.py": "class Base:\n    def __setstate__(self, state): self.__dict__ = state\n"
    f"class Other(Base):\n    pass\n{SETTER}",
}


@pytest.fixture
def why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    from allowlists.index import Index  # type: ignore[import-not-found]
    from allowlists.safety import Safety  # type: ignore[import-not-found]

    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    index = Index()
    index.add_folder(tmp_path, ["torch", "lib"])
    safety = Safety(index)

    def ask(module: str, name: str) -> str | None:
        found = index.modules[module].classes[name]
        answer: str | None = safety.of_class(found, called=False)
        return answer

    return ask


def test_setters_count_unless_the_state_goes_round_them(why: Any) -> None:
    assert why("lib.plain", "Plain") == CALLS
    assert why("lib.model", "Model") is None
    assert why("lib.assigns", "Assigns") == CALLS
    assert why("lib.other", "Other") == CALLS  # its __setstate__ is not one that a person has read


@pytest.mark.parametrize(
    "name", ["bert.modeling_bert BertModel", "gpt2.modeling_gpt2 GPT2LMHeadModel", "vit.modeling_vit ViTModel"]
)
def test_whole_models_may_be_made_but_not_called(name: str) -> None:
    module, _, cls = name.partition(" ")
    found = known(f"transformers.models.{module}", cls)
    assert found is not None
    assert found.use == "new"


def test_what_is_left_out_by_now_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    import make_allowlists  # type: ignore[import-not-found]
    from allowlists.frameworks import Framework  # type: ignore[import-not-found]

    before = tmp_path / "lib.json"
    names = {
        "lib": {"new": "A"},
        "lib.io": {"call": "read write"},
        "lib.io.deep": {"new": "B"},
        "lib.iota": {"new": "C"},
    }
    before.write_text(json.dumps({"framework": "lib", "versions": {"lib": ["1"]}, "names": names}))
    fields = {field.name: [] if field.name != "key" else "lib" for field in dataclasses.fields(Framework)}
    framework = Framework(**{**fields, "left_out": ["lib.io"]})
    found, versions = make_allowlists.kept(before, framework)
    assert {module: dict(entries) for module, entries in found.items()} == {
        "lib": {"A": "new"},
        "lib.iota": {"C": "new"},
    }
    assert versions == {"lib": {"1"}}
