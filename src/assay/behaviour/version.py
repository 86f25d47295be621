"""What a result depends on besides its inputs: the code of this room and of its worker."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

VERSION = "1"


@cache
def version() -> str:
    """Changes with every change of the code or of the calibration: old evidence is then stale."""
    digest = hashlib.sha256()
    for package, prefix in (("assay.behaviour", ""), ("assay.workers", "prober"), ("assay.behaviour.data", "")):
        try:
            entries = sorted(files(package).iterdir(), key=lambda item: item.name)
        except ModuleNotFoundError:
            continue
        for entry in entries:
            if entry.name.startswith(prefix) and entry.name.endswith((".py", ".json")):
                digest.update(entry.name.encode() + b"\0" + hashlib.sha256(entry.read_bytes()).digest())
    return f"{VERSION}+{digest.hexdigest()[:12]}"
