"""Write `src/assay/inspections/data/licences-spdx.toml` from the index of licences that license-expression ships.

That index is ScanCode LicenseDB (nexB and others, CC-BY-4.0): every id of the SPDX licence list with a category. Run
after an update of license-expression; `--check` only compares (a test does, for the version that the file names).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "src" / "assay" / "inspections" / "data" / "licences-spdx.toml"
PERMISSIVE = frozenset(("Permissive", "Public Domain"))
RESTRICTED = frozenset(("Copyleft", "Source-available", "Free Restricted", "Proprietary Free"))
_DATA = files("license_expression") / "data"


def index() -> list[dict[str, object]]:
    """Entries of the index."""
    found: list[dict[str, object]] = json.loads((_DATA / "scancode-licensedb-index.json").read_bytes())
    return found


def ids(categories: frozenset[str]) -> list[str]:
    """SPDX ids of licences (not of exceptions) in these categories, lower case, deprecated ones among them."""
    found = set()
    for entry in index():
        if entry["category"] in categories and not entry.get("is_exception"):
            named = [entry.get("spdx_license_key"), *(entry.get("other_spdx_license_keys") or ())]  # type: ignore[misc]
            found |= {str(one).lower() for one in named if one and not str(one).startswith("LicenseRef-")}
    return sorted(found)


def render() -> str:
    """The data file."""
    about = (_DATA / "license_key_index.json.ABOUT").read_text("utf-8")
    listed = re.search(r"^spdx_license_list_version: (\S+)$", about, re.MULTILINE)
    commit = re.search(r"scancode-licensedb/([0-9a-f]{40})/", about)
    if not listed or not commit:
        raise SystemExit("license-expression does not say which list it ships")
    digest = hashlib.sha256((_DATA / "scancode-licensedb-index.json").read_bytes()).hexdigest()
    lines = [
        "# Made by scripts/make_licences.py: don't edit. Categories of SPDX ids from ScanCode LicenseDB, nexB Inc. and",
        "# others, CC-BY-4.0, https://scancode-licensedb.aboutcode.org/. Lower case.",
        f'package = "license-expression {version("license-expression")}"',
        f'index = "scancode-licensedb {commit.group(1)}"',
        f'index_sha256 = "{digest}"',
        f'spdx_license_list = "{listed.group(1)}"',
    ]
    for key, categories in (("permissive", PERMISSIVE), ("restricted", RESTRICTED)):
        lines += [f"# {', '.join(sorted(categories))}", f"{key} = ["]
        lines += [f'    "{one}",' for one in ids(categories)] + ["]"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = render()
    if parser.parse_args().check:
        return 0 if TARGET.read_text("utf-8") == text else 1
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
