"""An interpreter without frameworks, for guests that start at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import rfc8785

from assay.sandbox import start as start_module


@pytest.fixture(scope="session")
def light():
    """An interpreter without frameworks that everybody may read: starts at once, also as another user.

    Not below pytest's own folder, which each further run of pytest on the machine makes private again.
    """
    home = Path(tempfile.mkdtemp(prefix="assay-light-"))
    home.chmod(0o755)
    base = Path(os.path.realpath(sys.executable))
    everybody = all(folder.stat().st_mode & 0o005 == 0o005 for folder in base.parents)
    python = str(base) if everybody else f"/usr/bin/python3.{sys.version_info.minor}"
    subprocess.run([python, "-m", "venv", "--without-pip", "--copies", home / "venv"], check=True)
    packages = next((home / "venv/lib").glob("python3*")) / "site-packages"
    source = Path(start_module.__file__).resolve().parents[2]
    subprocess.run(["cp", "-r", Path(rfc8785.__file__).parent, source / "assay", packages], check=True)
    yield home / "venv/bin/python"
    shutil.rmtree(home)
