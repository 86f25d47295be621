"""The same scan as SARIF and as one HTML page."""

from __future__ import annotations

import json
import os
import pickle
import re
from html.parser import HTMLParser

import jsonschema_rs
import pytest

from assay.core.evidence import Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.inspections.report import Ignored, Report, Scanned, Target
from assay.inspections.report_html import to_html
from assay.inspections.report_json import to_json
from assay.inspections.report_sarif import to_sarif, uri
from assay.inspections.scan import scan
from tests.inspections.sarif_schema import SARIF

EVIL = "<script>alert(1)</script>\x1b[31m\u202e\n'\"&"


def finding(severity: Severity, rule: str = "native-code", **where) -> Finding:
    facts = {"call": f"posix.system({EVIL!r})", "n": 1}
    return Finding(rule, severity, Confidence.HIGH, f"message {EVIL}", Where(f"m/{EVIL}.bin", **where), facts)


def report() -> Report:
    found = (
        finding(Severity.CRITICAL, offset=12),
        finding(Severity.LOW, "no-such-rule", inner=("a/b.pkl", EVIL), offset=3),
        finding(Severity.MEDIUM, line=4),
    )
    aside = (Ignored(finding(Severity.MEDIUM), "reviewed", "2030-01-01"),)
    unread = (Unread(f"m/{EVIL}.bin!/x", f"because {EVIL}"),)
    targets = [
        Target(f"m/{EVIL}.bin", "0" * 64, 10, "pickle", Outcome.FOUND, found, unread, aside),
        Target("m/b c#?.bin", "1" * 64, 5, "text", Outcome.CLEAN),
        Target("m/pipe", "", 0, "unread", Outcome.ERROR, (), (Unread("m/pipe", "a pipe"),)),
    ]
    name = Finding("look-alike-name", Severity.HIGH, Confidence.HIGH, "imitates", Where(""))
    whole = Scanned("m", "org/m", "sha256:" + "2" * 64, (name,), (Unread("", "left out"),))
    return Report(targets, [whole], 1.0, ["a remark"])


def checked(document) -> dict:
    jsonschema_rs.Draft7Validator(SARIF).validate(document)
    json.dumps(document)
    return document["runs"][0]


def test_sarif_is_valid_and_complete():
    run = checked(to_sarif(report()))
    assert [r["level"] for r in run["results"]] == ["error", "note", "warning", "error", "warning"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["look-alike-name", "native-code", "no-such-rule"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert [bool(r.get("suppressions")) for r in run["results"]] == [False, False, False, False, True]
    texts = [n["message"]["text"] for n in run["invocations"][0]["toolExecutionNotifications"]]
    assert len(texts) == 4
    assert any("a pipe" in text for text in texts)


def test_sarif_of_nothing_says_so():
    run = checked(to_sarif(Report()))
    assert "nothing was scanned" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_fingerprints_do_not_hang_on_offsets():
    def one(offset: int) -> str:
        where = Where("a", (), offset)
        made = Finding("r-r", Severity.LOW, Confidence.LOW, "m", where, {"call": "x()"})
        document = to_sarif(Report([Target("a", "", 0, "", Outcome.FOUND, (made,))]))
        return document["runs"][0]["results"][0]["partialFingerprints"]["assay/v1"]

    assert one(1) == one(2)


@pytest.mark.parametrize("path", ["a b", "ü/🙂", "100%", "a#b?c", "C:\\x", ""])
def test_uris(path):
    assert uri("/m/a b.bin") == "file:///m/a%20b.bin"
    assert re.fullmatch(r"[A-Za-z0-9/!$&'()*+,;=@~\-._%]+", uri(path))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.outside: list[str] = []
        self.words = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.outside += [value for key, value in attrs if key in {"src", "href", "action"} or key.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def page(value: Report) -> _Page:
    parsed = _Page()
    parsed.feed("".join(to_html(value)))
    parsed.close()
    return parsed


def test_html_is_one_closed_file_without_script():
    parsed = page(report())
    assert parsed.open == []
    assert parsed.outside == []
    assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
    assert "url(" not in "".join(to_html(report()))


def test_html_shows_everything_escaped():
    words = page(report()).words
    assert not {"\x1b", "\u202e"} & set(words)
    for piece in ("posix.system", "because", "reviewed", "a remark", "look-alike-name", "a pipe", "m/b c#?.bin"):
        assert piece in words
    assert "<script>" in words  # as text
    assert "Critical findings" in words


@pytest.mark.parametrize(
    ("value", "headline"),
    [
        (Report(), "Nothing was scanned"),
        (Report([Target("a", "0" * 64, 1, "text", Outcome.CLEAN)]), "No findings, everything read"),
        (Report([Target("a", "", 1, "x", Outcome.INCONCLUSIVE, (), (Unread("a", "b"),))]), "Not everything was read"),
    ],
)
def test_headlines(value, headline):
    assert headline in page(value).words


def test_a_real_scan_in_every_format(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.system, ("touch x",)

    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Payload()))
    (tmp_path / "config.json").write_text('{"a": 1, "a": 2}')
    done = scan([str(tmp_path)])
    run = checked(to_sarif(done))
    assert any("touch x" in r["message"]["text"] for r in run["results"])
    assert "touch x" in page(done).words
    assert to_json(done)["summary"]["findings"]["critical"] >= 1
