"""The reference page of every rule, from `src/assay/inspections/data/rules*.toml`. Run by scripts/make_reference.py."""

from __future__ import annotations

from pathlib import Path

from assay.inspections.rules import Rule, rules

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "docs" / "reference" / "rules"
NOTICE = "<!-- Written by scripts/make_reference.py from src/assay/inspections/data/{}. Don't edit. -->\n"


def rule_pages() -> dict[Path, str]:
    """Every page by its path: one per rule, and an index."""
    made = {RULES / f"{rule.id}.md": page(rule) for rule in rules().values()}
    made[RULES / "README.md"] = index()
    return made


def page(rule: Rule) -> str:
    """The page of one rule."""
    parts = [
        f"# {rule.id}\n",
        NOTICE.format(rule.source),
        f"**{rule.title}.** Severity: {rule.severity}.\n",
        f"## What it reports\n\n{rule.reports}\n",
        f"## Why it matters\n\n{rule.why}\n",
        f"## What would make it acceptable\n\n{rule.acceptable}\n",
    ]
    if rule.blind != "-":
        parts.append(f"## What it cannot see\n\n{rule.blind}\n")
    if rule.references:
        parts.append("## References\n\n" + "\n".join(f"- {link(item)}" for item in rule.references) + "\n")
    return "\n".join(parts)


def link(reference: str) -> str:
    """An advisory id or address as a Markdown link."""
    if reference.startswith("CVE-"):
        return f"[{reference}](https://nvd.nist.gov/vuln/detail/{reference})"
    if reference.startswith("GHSA-"):
        return f"[{reference}](https://github.com/advisories/{reference})"
    if reference.startswith("CWE-"):
        return f"[{reference}](https://cwe.mitre.org/data/definitions/{reference.removeprefix('CWE-')}.html)"
    return f"<{reference}>" if reference.startswith("https://") else reference


def index() -> str:
    """All rules in one table."""
    lines = ["# Rules\n", NOTICE.format("rules*.toml"), "| rule | what it is | severity |", "|---|---|---|"]
    lines += [f"| [{rule.id}]({rule.id}.md) | {rule.title} | {rule.severity} |" for rule in rules().values()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the pages."""
    RULES.mkdir(parents=True, exist_ok=True)
    for path, text in rule_pages().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
