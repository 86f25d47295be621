from dataclasses import replace

import pytest

from assay.core.errors import PolicyError
from assay.core.finding import Severity
from assay.core.verdict import Decision
from assay.inspections.builtin import BUILTIN
from assay.policy.cases import CASES_SCHEMA, builtin_cases, load_cases, run_cases
from assay.policy.model import Action, load_policy, read_policy

CASE = f'schema = "{CASES_SCHEMA}"\n[[case]]\nname = "x"\nexpect = "ADMIT"\n'


def test_the_builtin_policy_passes_its_tests():
    results = run_cases(load_policy(None), load_cases(builtin_cases()))
    assert [result.problem for result in results] == [""] * len(results)
    assert {result.decision for result in results} == set(Decision)


@pytest.mark.parametrize(
    "lax",
    [
        {"reject_at": Severity.CRITICAL, "hold_at": Severity.CRITICAL},
        {"hold_at": Severity.HIGH},
        {"hold_at": Severity.NOTE},
        {"required": ("name",)},
        {"rules": {"pickle-dangerous-call": Action.ACCEPT}},
        {"unread": Action.REJECT},
    ],
)
def test_the_tests_notice_a_changed_policy(lax):
    results = run_cases(replace(load_policy(None), **lax), load_cases(builtin_cases()))
    assert any(result.problem for result in results)


def test_the_builtin_policy_requires_exactly_the_static_inspectors():
    assert load_policy(None).required == tuple(inspector.name for inspector in BUILTIN)


def test_a_clause_that_does_not_speak_is_a_failure():
    cases = load_cases(CASE + 'clauses = ["waived"]\n')
    assert "waived" in run_cases(load_policy(None), cases)[0].problem


def test_a_case_that_can_not_be_is_a_failure():
    cases = load_cases(CASE + 'outcomes = { pickle = "found" }\n')
    result = run_cases(load_policy(None), cases)[0]
    assert result.decision is None
    assert "FOUND without a finding" in result.problem


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f'schema = "{CASES_SCHEMA}"\ncase = []\n',
        f'schema = "{CASES_SCHEMA}"\ncase = [3]\n',
        CASE.replace("v1", "v2"),
        CASE.replace("ADMIT", "MAYBE"),
        CASE.replace('name = "x"\n', ""),
        CASE.replace('expect = "ADMIT"\n', ""),
        CASE + "surprise = 1\n",
        CASE + 'missing = "pickle"\n',
        CASE + "missing = [3]\n",
        CASE + 'outcomes = ["error"]\n',
        CASE + 'outcomes = { pickle = "fine" }\n',
        CASE + '[[case.findings]]\ninspector = "pickle"\n',
        CASE + '[[case.findings]]\ninspector = "pickle"\nrule = "r"\nseverity = "bad"\n',
        "top = 1\n" + CASE,
    ],
)
def test_wrong_tests_are_refused(text):
    with pytest.raises(PolicyError):
        load_cases(text)


def test_policy_files_are_missed_clearly(tmp_path):
    with pytest.raises(PolicyError, match="no policy file"):
        read_policy(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_bytes(b"\xff")
    with pytest.raises(PolicyError, match="not UTF-8"):
        read_policy(tmp_path / "policy.toml")
