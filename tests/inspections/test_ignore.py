"""Setting findings aside: with a reason, until a day, for a known file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from assay.core.errors import UsageError
from assay.core.evidence import Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.inspections.ignore import FILE_NAME, apply_ignores, find_ignore_file, load_ignores
from assay.inspections.report import Report, Scanned, Target

TODAY = date(2026, 6, 1)


def ignores(tmp_path: Path, text: str):
    file = tmp_path / FILE_NAME
    file.write_text(text)
    return load_ignores(file)


def entry(**values: str) -> str:
    fields = {"rule": '"native-code"', "reason": '"reviewed"', "until": "2026-12-31"} | values
    return "[[ignore]]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items() if value)


def report(severity: Severity = Severity.MEDIUM, *, unread: bool = False) -> Report:
    found = Finding("native-code", severity, Confidence.HIGH, "m", Where("m/libs/x.so"))
    left = (Unread("m/libs/x.so", "r"),) if unread else ()
    return Report([Target("m/libs/x.so", "a" * 64, 1, "elf", Outcome.FOUND, (found,), left)], [])


def apply(tmp_path, text: str, value: Report, today: date = TODAY) -> Report:
    apply_ignores(value, ignores(tmp_path, text), today)
    return value


def test_a_finding_is_set_aside_and_still_there(tmp_path):
    done = apply(tmp_path, entry(), report())
    assert done.findings == []
    assert [(i.reason, i.until) for i in done.ignored] == [("reviewed", "2026-12-31")]
    assert done.targets[0].outcome is Outcome.CLEAN
    assert done.exit_status(Severity.MEDIUM) == 0
    assert done.remarks == []


def test_what_is_unread_stays_unread(tmp_path):
    done = apply(tmp_path, entry(), report(unread=True))
    assert done.targets[0].outcome is Outcome.INCONCLUSIVE
    assert done.exit_status(Severity.MEDIUM) == 2


@pytest.mark.parametrize(
    ("text", "severity", "aside"),
    [
        (entry(path='"m/*.so"'), Severity.MEDIUM, 1),
        (entry(path='"other/*"'), Severity.MEDIUM, 0),
        (entry(rule='"other-rule"'), Severity.MEDIUM, 0),
        (entry(until="2026-06-01"), Severity.MEDIUM, 1),
        (entry(until="2026-05-31"), Severity.MEDIUM, 0),
        (entry(), Severity.HIGH, 0),
        (entry(sha256=f'"{"a" * 64}"'), Severity.CRITICAL, 1),
        (entry(sha256=f'"{"b" * 64}"'), Severity.MEDIUM, 0),
    ],
)
def test_what_an_entry_holds_for(tmp_path, text, severity, aside):
    done = apply(tmp_path, text, report(severity))
    assert len(done.ignored) == aside
    assert len(done.findings) == 1 - aside
    assert bool(done.remarks) is not bool(aside)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        "[[ignore]]\nrule = 'a'",
        entry(reason=""),
        entry(reason='" "'),
        entry(until=""),
        entry(until='"2026-12-31"'),
        entry(until="2026-12-31T00:00:00"),
        entry(rule='"Not A Rule"'),
        entry(sha256='"abc"'),
        entry(other="1"),
        "not toml",
        "ignore = 3",
    ],
)
def test_incomplete_files_are_refused(tmp_path, text):
    with pytest.raises(UsageError):
        ignores(tmp_path, text)


def test_findings_about_the_snapshot(tmp_path):
    name = Finding("look-alike-name", Severity.HIGH, Confidence.HIGH, "m", Where(""))
    whole = Scanned("m", "o/m", "sha256:" + "c" * 64, (name,))
    done = apply(tmp_path, entry(rule='"look-alike-name"', sha256=f'"{"c" * 64}"'), Report([], [whole]))
    assert len(done.ignored) == 1


def test_a_model_can_not_excuse_itself(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / FILE_NAME).write_text(entry())
    assert find_ignore_file([str(model)], model) is None
    assert find_ignore_file([str(tmp_path)], model) is None
    (tmp_path / FILE_NAME).write_text(entry())
    assert find_ignore_file([str(model)], tmp_path) == tmp_path / FILE_NAME
    assert find_ignore_file([str(model)], tmp_path / "elsewhere") is None
    (tmp_path / "link").symlink_to(model)
    assert find_ignore_file([str(tmp_path / "link")], model) is None
