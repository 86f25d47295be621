"""`assay bom` over really vetted models: documents, inventory, import of bills of materials that others wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from assay.cli.main import main
from assay.provenance.bom.validate import check_cyclonedx, check_spdx
from assay.registry.inventory import Inventory
from assay.store.index import Index
from tests.e2e.clients import Client
from tests.support.boms import BODY, FILES, FRONT, WEIGHTS, card, safetensors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("bom-documents")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """org/base, made into org/child, made into org/grandchild."""
    root = tmp_path_factory.mktemp("boms")
    folder = root / "data"
    assert main(["init", "--data", str(folder), "--quiet"]) == 0
    parents = {"base": None, "child": "org/base", "grandchild": "org/child"}
    for number, (name, parent) in enumerate(parents.items()):
        front = {key: value for key, value in FRONT.items() if key != "base_model"}
        front |= {"base_model": parent} if parent else {}
        files = FILES | {
            "README.md": card(f"{BODY} The {name}.", **front),
            "model.safetensors": safetensors(**WEIGHTS, extra=(number + 1, 4)),
        }
        model = root / name
        model.mkdir()
        for path, content in files.items():
            (model / path).write_bytes(content)
        assert main(["vet", str(model), "--as", f"org/{name}", "--data", str(folder), "--quiet"]) == 0
    return folder


def run(capsys: pytest.CaptureFixture[str], data: Path, *args: str) -> Any:
    capsys.readouterr()
    assert main(["bom", *args, "--data", str(data)]) == 0
    return json.loads(capsys.readouterr().out)


def names(found: dict[str, Any]) -> set[str]:
    return {one["name"] for one in found["found"]}


@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_cyclonedx_of_a_vetted_model(capsys, data, version) -> None:
    document = run(capsys, data, "org/child", "--spec-version", version)
    check_cyclonedx(document)
    assert document["specVersion"] == version
    assert document["metadata"]["component"]["name"] == "org/child"
    base = next(one for one in document["components"] if one["name"] == "org/base")
    assert base["components"][0]["name"] == "model.safetensors"


def test_spdx_and_the_record(capsys, data) -> None:
    check_spdx(run(capsys, data, "org/child", "--format", "spdx"))
    record = run(capsys, data, "org/child", "--format", "json")
    assert record["fields"]["parameters"] == {
        "value": 72, "standing": "verified", "source": "counted in the headers of the weights"
    }  # fmt: skip


def test_text(capsys, data, tmp_path) -> None:
    assert main(["bom", "org/child", "--format", "text", "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "unknown of 26" in shown
    assert "unknown   behaviour" in shown
    assert main(["bom", "org/child", "--out", str(tmp_path / "b.json"), "--quiet", "--data", str(data)]) == 0
    check_cyclonedx(json.loads((tmp_path / "b.json").read_text()))


def test_what_was_signed_is_exported_valid_and_the_same_record(capsys, data, tmp_path) -> None:
    out = tmp_path / "export"
    assert main(["attest", "export", "org/child", "--out", str(out), "--data", str(data)]) == 0
    capsys.readouterr()
    assert main(["attest", "show", "org/child", "--data", str(data), "--format", "json"]) == 0
    statements = {one["kind"]: one["statement"] for one in json.loads(capsys.readouterr().out)["statements"]}
    check_cyclonedx(statements["cyclonedx"]["predicate"])
    check_spdx(statements["spdx"]["predicate"])
    again = run(capsys, data, "org/child")
    assert again["serialNumber"] == statements["cyclonedx"]["predicate"]["serialNumber"]
    assert {"cyclonedx", "spdx"} <= {path.name.split("-", 1)[-1].split(".")[0] for path in out.iterdir()}
    assert main(["attest", "verify", "org/child", "--data", str(data)]) == 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (("--name", "ORG/child"), {"org/child"}),
        (("--base", "org/base"), {"org/child", "org/grandchild"}),
        (("--base", "org/child"), {"org/grandchild"}),
        (("--base", "nobody/knows"), set()),
        (("--dataset", "org/reviews"), {"org/base", "org/child", "org/grandchild"}),
        (("--tokenizer", "berttokenizer"), {"org/base", "org/child", "org/grandchild"}),
        (("--licence", "MIT", "--name", "org/base"), {"org/base"}),
        (("--publisher", "org"), {"org/base", "org/child", "org/grandchild"}),
        (("--publisher", "org", "--base", "org/child"), {"org/grandchild"}),
        (("--all",), {"org/base", "org/child", "org/grandchild"}),
    ],
)
def test_find(capsys, data, query, expected) -> None:
    assert names(run(capsys, data, "find", *query, "--format", "json")) == expected


def test_the_licences_of_everything_that_a_model_was_made_from(data) -> None:
    index = Index.open(f"sqlite:///{data / 'index.sqlite'}")
    inventory = Inventory(index)
    above = {"org/child": "mit", "org/base": "mit"}
    assert inventory.licences_above("org/grandchild") == {"org/grandchild": "mit", **above}
    assert inventory.licences_above("org/base") == {"org/base": "mit"}
    assert inventory.licences_above("no/such") == {"no/such": ""}
    index.close()


def test_find_by_any_hash(capsys, data) -> None:
    record = run(capsys, data, "org/base", "--format", "json")
    weights = next(one["sha256"] for one in record["files"] if one["path"] == "model.safetensors")
    # the base itself, and the child that names the base's file
    assert names(run(capsys, data, "find", "--hash", f"sha256:{weights}", "--format", "json")) == {
        "org/base",
        "org/child",
    }
    assert "org/base" in names(run(capsys, data, "find", "--hash", record["snapshot"], "--format", "json"))


def test_find_as_a_table(capsys, data) -> None:
    assert main(["bom", "find", "--base", "org/base", "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == ["org/grandchild", "org/child"]
    assert lines[-1] == "2 found"


@pytest.mark.parametrize("args", [("find",), ("import",), ("org/base", "more"), ("org/none",), ("find", "--hash", "x")])
def test_errors_are_one_line(capsys, data, args) -> None:
    assert main(["bom", *args, "--data", str(data)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_import_of_what_cyclonedx_py_writes(capsys, data, tmp_path) -> None:
    """A real foreign bill of materials, of a client's environment, by the CycloneDX project's own tool."""
    path = tmp_path / "foreign.json"
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--no-validate", "-o", str(path), "--of", "JSON"]
    subprocess.run(
        [*command, str(Client("2", "", tmp_path).bin / "python")], check=True, capture_output=True, timeout=240
    )
    document = json.loads(path.read_text())
    document["metadata"]["component"] = {"type": "application", "name": "their-application"}
    path.write_text(json.dumps(document))
    taken = run(capsys, data, "import", str(path), "--format", "json")
    assert taken["new"] is True
    assert not run(capsys, data, "import", str(path), "--format", "json")["new"]
    assert names(run(capsys, data, "find", "--name", "their-application", "--format", "json")) == {"their-application"}
    assert taken["entry"]["summary"].startswith(f"imported: {len(document['components'])} components")


def test_our_own_documents_can_be_imported_elsewhere(capsys, data, tmp_path) -> None:
    other = tmp_path / "other"
    assert main(["init", "--data", str(other), "--quiet"]) == 0
    for kind in ("cyclonedx", "spdx"):
        out = tmp_path / f"{kind}.json"
        assert main(["bom", "org/child", "--format", kind, "--out", str(out), "--data", str(data)]) == 0
        assert main(["bom", "import", str(out), "--data", str(other)]) == 0
        found = run(capsys, other, "find", "--base", "org/base", "--format", "json")["found"]
        assert {(one["name"], one["licence"]) for one in found} == {("org/child", "MIT")}
    record = run(capsys, data, "org/child", "--format", "json")
    found = run(capsys, other, "find", "--hash", record["files"][0]["sha256"], "--format", "json")["found"]
    assert {one["kind"] for one in found} == {"cyclonedx", "spdx"}


DEEP = '{"bomFormat": "CycloneDX", "components": ' + "[" * 5000 + "]" * 5000 + "}"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "not json", DEEP, '{"bomFormat": "CycloneDX"}', '{"spdxVersion": "SPDX-2.3", "packages": 7}',
     '{"@context": "spdx", "@graph": [1, {"type": 3, "spdxId": []}]}'],
)  # fmt: skip
def test_hostile_files_are_refused_in_one_line(capsys, data, tmp_path, text) -> None:
    path = tmp_path / "hostile.json"
    path.write_text(text)
    assert main(["bom", "import", str(path), "--data", str(data)]) == 3
    shown = capsys.readouterr().err
    assert shown.startswith("assay: error: ")
    assert shown.count("\n") == 1


def test_spdx_2_is_imported(capsys, data, tmp_path) -> None:
    path = tmp_path / "two.json"
    checksum = {"algorithm": "SHA256", "checksumValue": "AB" * 32}
    package = {"SPDXID": "SPDXRef-a", "name": "thing\u202e", "supplier": "Organization: Some"}
    package |= {"licenseConcluded": "MIT", "checksums": [checksum]}
    path.write_text(json.dumps({"spdxVersion": "SPDX-2.3", "name": "doc", "packages": [package]}))
    assert main(["bom", "import", str(path), "--data", str(data)]) == 0
    assert "\u202e" not in capsys.readouterr().out
    found = run(capsys, data, "find", "--hash", "ab" * 32, "--format", "json")["found"]
    assert [(one["publisher"], one["licence"], one["kind"]) for one in found] == [("Some", "MIT", "spdx")]
