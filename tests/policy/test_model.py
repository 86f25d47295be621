import pytest

from assay.core.errors import PolicyError
from assay.core.finding import Severity
from assay.policy.model import POLICY_SCHEMA, Action, Policy, builtin_text, load_policy

MINIMAL = f"""
schema = "{POLICY_SCHEMA}"
name = "ours"
version = "7"
[verdict]
lifetime_days = 30
[required]
inspectors = ["pickle"]
[unread]
decision = "reject"
[reject]
severity = "critical"
[hold]
severity = "low"
[rules]
licence-missing = "hold"
"""


def test_the_builtin_policy_is_strict():
    policy = load_policy(None)
    assert policy.reject_at is Severity.HIGH
    assert policy.hold_at is Severity.MEDIUM
    assert policy.unread is Action.HOLD
    assert policy.rules == {}
    assert {"pickle", "safetensors", "config", "code", "name"} <= set(policy.required)
    assert load_policy(builtin_text()).digest == policy.digest


def test_every_field_is_read():
    policy = load_policy(MINIMAL)
    assert policy == Policy(
        "ours",
        "7",
        30,
        ("pickle",),
        Action.REJECT,
        Severity.CRITICAL,
        Severity.LOW,
        {"licence-missing": Action.HOLD},
    )


def test_the_digest_ignores_layout_and_sees_every_value():
    digest = load_policy(MINIMAL).digest
    assert load_policy("# a comment\n" + MINIMAL.replace(" = ", "=")).digest == digest
    changes = [
        ('"ours"', '"others"'),
        ('"7"', '"8"'),
        ("30", "31"),
        ('["pickle"]', '["pickle", "name"]'),
        ('decision = "reject"', 'decision = "hold"'),
        ('"critical"', '"high"'),
        ('severity = "low"', 'severity = "note"'),
        ('licence-missing = "hold"', 'licence-missing = "accept"'),
    ]
    digests = {load_policy(MINIMAL.replace(old, new)).digest for old, new in changes}
    assert len(digests) == len(changes)
    assert digest not in digests


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"assay.policy/v1"', '"assay.policy/v2"', "schema"),
        ('name = "ours"', "", "'name' is missing"),
        ('name = "ours"', 'name = "ours"\nsurprise = 1', "unknown key 'surprise'"),
        ('name = "ours"', 'name = "Ours\\n"', "name must be"),
        ('version = "7"', "version = 7", "version must be"),
        ("lifetime_days = 30", "lifetime_days = 0", "lifetime_days"),
        ("lifetime_days = 30", "lifetime_days = true", "lifetime_days"),
        ("lifetime_days = 30", "lifetime_days = 99999", "lifetime_days"),
        ("lifetime_days = 30", "lifetime_days = 30\ndays = 1", "[verdict]"),
        ("[verdict]\nlifetime_days = 30", "verdict = 3", "[verdict]"),
        ('["pickle"]', "[]", "asks for nothing"),
        ('["pickle"]', '"pickle"', "empty"),
        ('["pickle"]', '["pickle", "pickle"]', "twice"),
        ('["pickle"]', '["pickle", 3]', "not the name"),
        ('["pickle"]', '["Pickle!"]', "not the name"),
        ('decision = "reject"', 'decision = "accept"', "unread.decision"),
        ('severity = "critical"', 'severity = "severe"', "reject.severity"),
        ('severity = "critical"', "severity = 4", "reject.severity"),
        ('severity = "critical"', 'severity = "note"', "above"),
        ('severity = "low"', 'severity = "CRITICAL"', "hold.severity"),
        ('licence-missing = "hold"', 'licence-missing = "warn"', "rules.licence-missing"),
        ('licence-missing = "hold"', '"Licence Missing" = "hold"', "not a rule id"),
        ("[rules]", "[[rules]]", "must be a table"),
        ("[hold]", "[hold", "not TOML"),
    ],
)
def test_a_wrong_policy_is_refused_in_one_line(old, new, says):
    assert old in MINIMAL
    with pytest.raises(PolicyError) as raised:
        load_policy(MINIMAL.replace(old, new))
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_huge_policy_is_refused():
    with pytest.raises(PolicyError, match="longer"):
        load_policy("#" * 2_000_000)


def test_a_policy_that_accepts_the_unread_can_not_be_built():
    with pytest.raises(PolicyError, match="can't be accepted"):
        Policy("p", "1", 1, ("pickle",), unread=Action.ACCEPT)


def test_what_runs_besides_is_part_of_the_policy():
    plain = load_policy(MINIMAL)
    assert (plain.run, plain.layers) == ((), ())
    assert "run" not in plain.to_json()
    more = load_policy(MINIMAL + '[run]\ninspectors = ["load"]\nlayers = ["landlock"]\n')
    assert (more.run, more.layers) == (("load",), ("landlock",))
    assert more.digest != plain.digest


def test_tasks_require_the_probes_and_a_misspelt_one_is_refused():
    named = load_policy(MINIMAL + '[run]\ntasks = ["text-classification"]\n')
    assert named.tasks == ("text-classification",)
    assert named.required == (*load_policy(MINIMAL).required, "behaviour")
    assert named.to_json()["run"] == {"tasks": ["text-classification"]}
    with pytest.raises(PolicyError, match="text-clasification"):
        load_policy(MINIMAL + '[run]\ntasks = ["text-clasification"]\n')


@pytest.mark.parametrize(
    "text",
    [
        "run = 1\n",
        '[run]\nlayers = ["gvisor"]\n',
        '[run]\nlayers = ["landlok"]\n',
        "[run]\nfiles = []\n",
        '[run]\nlayers = "x"\n',
        "[run]\ninspectors = [1]\n",
    ],
)
def test_a_broken_run_table_is_refused(text):
    with pytest.raises(PolicyError):
        load_policy(text + MINIMAL if text.startswith("run") else MINIMAL + text)
