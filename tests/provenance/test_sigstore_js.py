"""Sigstore's own JavaScript verifier accepts every bundle that we sign, and none that was changed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = ROOT / ".cache" / "js" / "node_modules"
RELEASES = sorted((ROOT / "tests" / "data" / "signatures").iterdir())
ROLE = {"fetched": "importer", "scanned": "scanner", "approved": "approver", "ref": "registry", "view": "registry"}

pytestmark = pytest.mark.skipif(
    not (MODULES / "@sigstore").is_dir() or shutil.which("node") is None,
    reason="`make js` installs the verifier; it needs node and npm",
)


def verify(bundle, key):
    command = ["node", ROOT / "tests" / "js" / "verify.mjs", bundle, key]
    environment = os.environ | {"ASSAY_JS_MODULES": str(MODULES)}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_bundles_of_every_release_verify(release):
    home = release / "model" / ".assay"
    bundles = {home / "model.sig": "registry"}
    bundles |= {path: ROLE[path.name.split("-")[1].split(".")[0]] for path in home.glob("*.sigstore.json")}
    assert len(bundles) == 6
    for bundle, role in bundles.items():
        done = verify(bundle, home / "keys" / f"{role}.pub")
        assert done.returncode == 0, (bundle.name, done.stderr)


def test_a_changed_bundle_or_another_key_is_refused(tmp_path):
    home = RELEASES[0] / "model" / ".assay"
    assert verify(home / "model.sig", home / "keys" / "approver.pub").returncode == 1
    bundle = json.loads((home / "model.sig").read_text())
    payload = bundle["dsseEnvelope"]["payload"]
    bundle["dsseEnvelope"]["payload"] = payload[:-8] + ("A" if payload[-8] != "A" else "B") + payload[-7:]
    (tmp_path / "changed.json").write_text(json.dumps(bundle))
    done = verify(tmp_path / "changed.json", home / "keys" / "registry.pub")
    assert done.returncode == 1
    assert "signature" in done.stderr
