"""What a release signed verifies for ever: one folder of each in `tests/data/signatures/`."""

import subprocess
import sys
from datetime import timedelta

import pytest

from assay import __version__
from assay.gate.verify import verify_folder
from tests.gate.admitted import START
from tests.gate.make_golden import SIGNATURES

RELEASES = sorted(path.name for path in SIGNATURES.iterdir())


def test_this_version_left_its_signatures():
    assert __version__ in RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_signatures_of_every_release_verify(release):
    home = SIGNATURES / release
    report = verify_folder(home / "model", home / "trust.toml", now=START + timedelta(days=1), name="org/name")
    assert report.verified, report.refusal
    assert len(report.steps) == 11


@pytest.mark.parametrize("release", RELEASES)
def test_the_openssf_verifier_accepts_them(release):
    model = SIGNATURES / release / "model"
    command = [sys.executable, "-m", "model_signing", "verify", "key", "--signature", model / ".assay" / "model.sig"]
    command += ["--public_key", model / ".assay" / "keys" / "registry.pub", model]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
