"""What `deploy/` holds, checked as documents: nothing of it is run here, and each file says so."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from assay.cli.main import COMMANDS, main
from assay.server.app import create_app
from tests.simulators.serving import serving
from tests.support.published import Publisher

ROOT = Path(__file__).resolve().parent.parent / "deploy"
MANIFESTS = sorted((ROOT / "kubernetes").glob("*.yaml"))
DOCUMENTS = [doc for path in MANIFESTS for doc in yaml.safe_load_all(path.read_text())]
DEPLOYMENTS = [doc for doc in DOCUMENTS if doc["kind"] == "Deployment"]


def test_manifests_are_valid_and_strict() -> None:
    check = [sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet"]
    done = subprocess.run([*check, *MANIFESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_misspelt_manifest_is_not(tmp_path: Path) -> None:
    text = (ROOT / "kubernetes/server.yaml").read_text().replace("readOnlyRootFilesystem", "readOnlyRootFileSystem")
    (tmp_path / "wrong.yaml").write_text(text)
    check = [sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet", tmp_path / "wrong.yaml"]
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["metadata"]["name"])
def test_pods_have_few_rights(deployment) -> None:
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    rights = container["securityContext"]
    assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert {"cpu", "memory"} <= set(container["resources"]["limits"]) & set(container["resources"]["requests"])
    assert "@sha256:" in container["image"]
    assert all(mount.get("readOnly") for mount in container["volumeMounts"] if mount["mountPath"] != "/tmp")


def test_no_secret_stands_in_a_file() -> None:
    kinds = {doc["kind"] for doc in DOCUMENTS}
    assert "Secret" not in kinds
    assert "NetworkPolicy" in kinds
    everything = "\n".join(path.read_text() for path in ROOT.rglob("*") if path.is_file())
    assert not re.search(r"(?i)(password|passphrase|secret_access_key)\s*[:=]\s*[\"']?[a-z0-9]{4,}", everything)


def test_only_workers_hold_keys() -> None:
    named = {one["metadata"]["labels"]["part"]: json.dumps(one) for one in DEPLOYMENTS}
    assert "assay-keys" in named["worker"]
    assert "assay-keys" not in named["server"]


def test_the_commands_they_run_exist(capsys) -> None:
    lines = [one["spec"]["template"]["spec"]["containers"][0]["args"] for one in DEPLOYMENTS]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    lines += [compose[name]["command"] for name in ("setup", "server", "worker")]
    lines += [json.loads(re.search(r"^CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1])]
    for command, *arguments in lines:
        assert command in COMMANDS
        with pytest.raises(SystemExit) as ended:  # argparse takes all of it: then comes the help
            main([command, *arguments, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert all(one in shown for one in arguments if one.startswith("--")), shlex.join(arguments)


@pytest.mark.parametrize("path", [ROOT / "Dockerfile", ROOT / "compose.yaml", *MANIFESTS], ids=lambda one: one.name)
def test_each_file_says_that_it_is_not_run_here(path: Path) -> None:
    head = path.read_text().partition("\n")[0] + path.read_text().split("\n")[1]
    assert re.search(r"[Nn]ot (built or )?run in our tests", head)


def test_every_metric_of_the_dashboard_exists(tmp_path: Path) -> None:
    board = json.loads((ROOT / "grafana-dashboard.json").read_text())
    named = {name for panel in board["panels"] for one in panel["targets"] for name in _metrics(one["expr"])}
    publisher = Publisher(tmp_path / "data")
    with serving(create_app(publisher.catalog, publisher.blobs)) as url:
        shown = httpx.get(f"{url}/metrics", trust_env=False).text
    publisher.index.close()
    families = dict(re.findall(r"^# TYPE (\S+) (\w+)$", shown, re.MULTILINE))
    suffixes = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
    known = {name + end for name, kind in families.items() for end in suffixes.get(kind, ("",))}
    assert named <= known, named - known
    assert len(named) > 15


def _metrics(expression: str) -> list[str]:
    return re.findall(r"\bassay_[a-z_]+", expression)
