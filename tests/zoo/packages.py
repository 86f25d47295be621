"""A task of real texts: which section a Debian package is in, by its one-line description.

From the lists that apt has on this machine (`apt-get update` fetches them): which packages they name depends on the
release. Nothing of it is kept in the repository.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache

SECTIONS = ("games", "net", "science", "sound")
_LEAST_WORDS = 4
_LEAST_TEXTS = 500  # of each section
_FIELD = re.compile(r"^(Section|Description): (.+)$", re.MULTILINE)


@cache
def descriptions() -> tuple[tuple[str, int], ...]:
    """Each description once, with the index of its section, in a fixed order; empty where apt knows too few."""
    if shutil.which("apt-cache") is None:
        return ()
    said = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=False).stdout
    found: dict[str, int] = {}
    for package in said.split("\n\n"):
        fields = dict(_FIELD.findall(package))
        text = " ".join(fields.get("Description", "").split())
        if fields.get("Section") in SECTIONS and len(text.split()) >= _LEAST_WORDS:
            found.setdefault(text, SECTIONS.index(fields["Section"]))
    counts = [list(found.values()).count(index) for index in range(len(SECTIONS))]
    return tuple(sorted(found.items())) if min(counts) >= _LEAST_TEXTS else ()
