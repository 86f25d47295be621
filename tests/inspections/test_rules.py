"""Every rule that can be reported has its page, and every page is what the data says."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from assay.inspections.rules import FIELDS, rules, rules_digest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "assay" / "inspections"
PAGES = ROOT / "docs" / "reference" / "rules"


def emitted() -> dict[str, str]:
    """Rule ids that stand as literals in calls of `finding(…)` or in tables of (rule, severity), by where."""
    ids: dict[str, str] = {}
    for path in sorted(SOURCE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "finding" and node.args:
                literals = [n for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant)]
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"rule", "RULE"}:
                literals = [n for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
            else:
                continue
            ids |= {
                n.value: path.name
                for n in literals
                if isinstance(n.value, str) and re.fullmatch(r"[a-z]+(-[a-z]+)+", n.value)
            }
    return ids


def test_rules_have_every_field():
    for rule in rules().values():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
        for name in FIELDS[:-1]:
            assert getattr(rule, name), (rule.id, name)


def test_no_undocumented_rule_is_emitted():
    missing = {rule: where for rule, where in emitted().items() if rule not in rules()}
    assert missing == {}


def test_pages_are_what_the_data_says(tmp_path):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from make_rule_docs import rule_pages
    finally:
        sys.path.pop(0)
    made = rule_pages()
    assert set(PAGES.glob("*.md")) == set(made)
    for path, text in made.items():
        assert path.read_text("utf-8") == text, f"{path.name}: run scripts/make_rule_docs.py"


def test_digest_of_the_lists_is_stable():
    code = "from assay.inspections.rules import rules_digest; print(rules_digest())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == rules_digest()
