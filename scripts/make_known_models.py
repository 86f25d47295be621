"""Write `src/assay/inspections/data/known_models.toml` from the hand-kept `scripts/known_models.txt`.

Run after every change of the list; `--check` only compares (a test does).
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "scripts" / "known_models.txt"
TARGET = ROOT / "src" / "assay" / "inspections" / "data" / "known_models.toml"
_ID = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*")
_DATE = re.compile(r"# as-of: (\d{4}-\d\d-\d\d)")


def render(text: str) -> str:
    """The data file: grouped by owner, sorted, each id once.

    Raises:
        SystemExit: for a line that is no model id, or a list without a date.
    """
    dates = _DATE.findall(text)
    if not dates:
        raise SystemExit("known_models.txt: no `# as-of: YYYY-MM-DD` line")
    owners: dict[str, set[str]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if not _ID.fullmatch(line):
            raise SystemExit(f"known_models.txt: not a model id: {line!r}")
        owner, _, model = line.partition("/")
        owners.setdefault(owner, set()).add(model)
    lines = [
        "# Made by scripts/make_known_models.py from scripts/known_models.txt: don't edit.",
        f'as_of = "{dates[0]}"',
        f"count = {sum(map(len, owners.values()))}",
        "",
        "[models]",
    ]
    for owner in sorted(owners, key=str.lower):
        lines.append(f'"{owner}" = [')
        lines += [f'    "{model}",' for model in sorted(owners[owner], key=str.lower)]
        lines.append("]")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    wanted = render(SOURCE.read_text("utf-8"))
    if parser.parse_args().check:
        if TARGET.read_text("utf-8") != wanted:
            sys.stderr.write(f"{TARGET.name} is not what the script makes: run scripts/make_known_models.py\n")
            return 1
        return 0
    TARGET.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
