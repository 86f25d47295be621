"""Write docs/reference/ from the code: commands, settings, inspectors, rules, policy. `--check` compares only."""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from assay.cli.main import COMMANDS
from assay.cli.settings import SETTINGS_KEYS, Settings
from assay.provenance.artifacts import ARTIFACT_ROLES, ARTIFACT_TYPE
from assay.provenance.statements import KINDS, SIGNERS
from make_rule_docs import rule_pages

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "<!-- Written by scripts/make_reference.py. Edit the code, then run `make docs`. -->\n"
HEADINGS = ("What it reads", "What it reports", "Why it matters", "What it cannot see", "References")


def commands_page() -> str:
    """`--help` of every command, as a terminal of 100 columns shows it."""
    text = ["# Commands\n", NOTICE]
    env = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
    for name, (_, summary) in COMMANDS.items():
        command = [sys.executable, "-m", "assay.cli.main", name, "--help"]
        shown = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
        text.append(f"## assay {name}\n\n{summary[0].upper()}{summary[1:]}.\n\n```text\n{shown.strip()}\n```\n")
    return "\n".join(text)


def settings_page() -> str:
    """What `cli/settings.py` reads, with the attribute docs of `Settings`."""
    documented = {}
    for line in (Settings.__doc__ or "").splitlines():
        name, _, what = line.strip().partition(": ")
        if name in SETTINGS_KEYS:
            documented[name] = what
    if missing := set(SETTINGS_KEYS) - set(documented):
        sys.exit(f"settings without a description in Settings.__doc__: {sorted(missing)}")
    rows = "\n".join(f"| `{key}` | `ASSAY_{key.upper()}` | {documented[key]} |" for key in SETTINGS_KEYS)
    intro = (
        "A flag of the command wins over the environment, the environment over `assay.toml` in the working "
        "directory, and that over `assay.toml` in the data directory."
    )
    return f"# Settings\n\n{NOTICE}\n{intro}\n\n| in `assay.toml` | environment | what |\n|---|---|---|\n{rows}\n"


def inspectors_page() -> str:
    """Module docstrings of the inspectors that have the fixed headings."""
    text = ["# Inspectors\n", NOTICE]
    for module in sorted((ROOT / "src/assay/inspections").glob("*.py")):
        doc = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
        if HEADINGS[0] in doc:
            text.append(f"## {module.stem.replace('_', ' ')}\n\n{doc}\n")
    return "\n".join(text)


def policy_page() -> str:
    """The built-in policy, whole."""
    policy = files("assay.policy").joinpath("builtin.toml").read_text("utf-8")
    return f"# The built-in policy\n\n{NOTICE}\n`assay policy show` prints it.\n\n```toml\n{policy.strip()}\n```\n"


def predicate_pages() -> dict[Path, str]:
    """One page for each predicate that assay signs, from the schema that is shipped."""
    made, rows = {}, []
    for kind, uri in {**KINDS, "artifact": ARTIFACT_TYPE}.items():
        text = files("assay.provenance").joinpath(f"data/predicates/{kind}.json").read_text("utf-8")
        schema = json.loads(text)
        signers = ", ".join(sorted(SIGNERS.get(kind, ARTIFACT_ROLES)))
        fields = "\n".join(
            f"| `{name}` | {'yes' if name in schema['required'] else 'no'} | {field.get('description', '')} |"
            for name, field in schema["properties"].items()
        )
        outside = f" Specification: <{schema['x-specification']}>." if "x-specification" in schema else ""
        made[REFERENCE / "predicates" / f"{kind}.md"] = (
            f"# {kind}\n\n{NOTICE}\n{schema['description']}\n\n"
            f"Predicate type `{uri}`. Signed by: {signers}.{outside}\n\n"
            f"| field | required | what |\n|---|---|---|\n{fields}\n\n## JSON schema\n\n```json\n{text.strip()}\n```\n"
        )
        rows.append(f"| [{kind}]({kind}.md) | `{uri}` | {signers} |")
    table = "\n".join(rows)
    made[REFERENCE / "predicates" / "index.md"] = (
        f"# Predicates\n\n{NOTICE}\nEvery statement that assay signs, besides the OpenSSF model signature. "
        f"How they hang together: [Statements, trust and the gate](../../explain/provenance.md).\n\n"
        f"| kind | predicate type | signed by |\n|---|---|---|\n{table}\n"
    )
    return made


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    made = {
        REFERENCE / "commands.md": commands_page(),
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "inspectors.md": inspectors_page(),
        REFERENCE / "policy.md": policy_page(),
    }
    return made | predicate_pages() | rule_pages()


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a page differs from what would be written")
    check = parser.parse_args().check
    made = pages()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    stale += [path for path in REFERENCE.rglob("*.md") if path not in made]
    if check:
        if stale:
            sys.exit("stale reference pages, run `make docs`:\n" + "\n".join(f"  {p.relative_to(ROOT)}" for p in stale))
        return
    for path in stale:
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], "utf-8")
        else:
            path.unlink()


if __name__ == "__main__":
    main()
