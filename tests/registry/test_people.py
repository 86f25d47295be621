"""Rights, tokens, teams: the rules by themselves, and on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from assay.core.errors import UsageError
from assay.registry.access import review
from assay.registry.audit import audit
from assay.registry.people import ANONYMOUS_RIGHTS, NOBODY, RIGHTS, ROLES, SCOPES, Actor, Thing, may
from assay.registry.sessions import Sessions
from assay.registry.teams import Teams, record_requester, thing_of
from assay.registry.token_text import PATTERN, TokenText, redact
from assay.registry.tokens import Tokens
from assay.store import log
from assay.store.schema_people import tokens as table
from tests.support import admitted

NOW = datetime(2026, 11, 26, 4, 30, tzinfo=UTC)


def actor(*roles, **more):
    return Actor("anna", frozenset(roles), **{key: frozenset(value) for key, value in more.items()})


@pytest.mark.parametrize("action", RIGHTS)
def test_nobody_may_only_read(action):
    assert bool(may(NOBODY, action)) is (action in ANONYMOUS_RIGHTS)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_what_the_table_says(role):
    assert {action for action in RIGHTS if may(actor(role), action)} == {a for a, who in RIGHTS.items() if role in who}


def test_an_unknown_action_and_no_role_are_no_right():
    assert not may(actor(*ROLES), "fly")
    assert not any(may(actor(), action) for action in RIGHTS)


def test_the_one_who_asked_can_not_approve():
    mine = Thing("org/model", requesters=frozenset({"anna"}))
    assert "four eyes" in may(actor("approver"), "approve", mine).why
    assert not may(actor("approver"), "waive", mine)
    assert may(actor("approver"), "reject", mine)
    assert may(Actor("bob", frozenset({"approver"})), "approve", mine)


def test_a_model_of_a_team_is_hidden_from_the_others():
    hidden = Thing("risk/model", frozenset({"risk"}))
    assert may(actor("developer"), "pull", hidden).hidden
    assert may(NOBODY, "pull", hidden).hidden
    assert may(actor("developer", teams=["risk"]), "pull", hidden)
    assert may(actor("auditor"), "browse", hidden)


def test_scopes_leave_less_and_never_more():
    for scope, rights in SCOPES.items():
        for action in RIGHTS:
            assert bool(may(actor(*ROLES, scopes=[scope]), action)) is (action in rights)
            assert not may(actor(scopes=[scope]), action)
    only = actor("developer", scopes=["model:org/*"])
    assert may(only, "pull", Thing("org/model"))
    assert not may(only, "pull", Thing("other/model"))
    assert not may(actor("admin", scopes=["model:*"]), "token.own")


def test_the_text_of_a_token():
    text = str(TokenText("a" * 12, "b" * 30))
    assert PATTERN.fullmatch(text)
    assert TokenText.parse(text) == TokenText("a" * 12, "b" * 30)
    assert "b" * 30 not in repr(TokenText.parse(text))
    for wrong in (text[:-1] + "x", text.replace("b", "c", 1), text[:-1], text + "0", "hf_" + "a" * 34, ""):
        assert TokenText.parse(wrong) is None
    assert redact(f"GET /x {text}!") == f"GET /x assay_{'a' * 12}…!"


def make(tokens, **changes):
    fields = {"person": "anna", "roles": ["developer"], "name": "laptop", "by": "root", "now": NOW} | changes
    return tokens.create(**fields)


def test_a_token_lives_until_it_expires_or_is_revoked(index):
    tokens = Tokens(index)
    text, record = make(tokens, lifetime=timedelta(days=1), scopes=["read"])
    assert tokens.check(text, NOW) == record
    assert record.actor() == Actor("anna", frozenset({"developer"}), scopes=frozenset({"read"}), token=record.id)
    assert tokens.check(text, NOW + timedelta(days=1)) is None
    other = str(TokenText(record.id, "x" * 30))
    assert tokens.check(other, NOW) is None
    assert tokens.check(str(TokenText("x" * 12, "x" * 30)), NOW) is None
    elsewhere = Tokens(index)
    assert elsewhere.check(text, NOW)
    revoked = tokens.revoke(record.id, by="root", now=NOW)
    assert tokens.revoke(record.id, by="bob", now=NOW + timedelta(days=3)) == revoked
    assert elsewhere.check(text, NOW) is None


def test_uses_are_noted_to_the_hour(index):
    tokens = Tokens(index)
    text, record = make(tokens)
    for minutes in (0, 5, 70):
        tokens.used(tokens.check(text, NOW), NOW + timedelta(minutes=minutes))
    assert tokens.get(record.id).used_at == datetime(2026, 11, 26, 5, tzinfo=UTC)
    assert [one.id for one in tokens.all("anna")] == [record.id]
    assert tokens.all("bob") == ()


def test_an_access_review_says_which_tokens_nobody_uses(index):
    known, teams, sessions = Tokens(index), Teams(index), Sessions(index)
    text, used = known.create(
        person="anna", roles=["reviewer"], name="used", by="root", now=NOW, lifetime=timedelta(300)
    )
    left = known.create(person="bert", roles=["developer"], name="left", by="root", now=NOW, lifetime=timedelta(300))[1]
    known.create(person="carl", roles=["admin"], name="over", by="root", now=NOW, lifetime=timedelta(20))
    known.used(known.check(text, NOW + timedelta(days=29)), NOW + timedelta(days=29))

    def reviewed(days):
        return review(known, teams, sessions, None, NOW + timedelta(days=days))

    assert reviewed(29).unused == ()
    assert {one["person"]: one["tokens"] for one in reviewed(29).people()} == {"anna": 1, "bert": 1}
    assert reviewed(31).unused == (left.id,)
    assert set(reviewed(60).unused) == {used.id, left.id}
    told = {one["id"]: one["unused"] for one in reviewed(31).to_json()["tokens"]}
    assert told == {used.id: False, left.id: True}
    assert "approve" not in reviewed(31).rights[used.id]
    assert "quarantine" in reviewed(31).rights[used.id]


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": []},
        {"roles": ["king"]},
        {"person": ""},
        {"name": "a\nb"},
        {"scopes": ["everything"]},
        {"scopes": ["model:"]},
        {"scopes": ["model:a b"]},
        {"lifetime": timedelta(days=400)},
        {"lifetime": timedelta(0)},
    ],
)
def test_what_is_no_token(index, wrong):
    with pytest.raises(UsageError):
        make(Tokens(index), **wrong)
    assert Tokens(index).all() == ()


def test_the_index_holds_no_secret_and_the_log_says_what_the_tables_say(index):
    tokens = Tokens(index)
    text, record = make(tokens)
    tokens.revoke(record.id, by="root", now=NOW)
    secret = TokenText.parse(text).secret
    with index.reading() as tx:
        rows = [str(tuple(row)) for row in tx.execute(sa.select(table))]
        entries = [(entry.kind, str(entry.body)) for entry in log.entries(tx)]
    assert "$argon2id$" in rows[0]
    assert not any(secret in line for line in (*rows, *(body for _, body in entries)))
    assert [kind for kind, _ in entries] == ["token-created", "token-revoked"]
    assert audit(index) == ()
    with index.transaction() as tx:
        tx.execute(sa.update(table).values(roles="admin"))
    assert "table tokens does not say" in audit(index)[0]
    with index.transaction() as tx:
        tx.execute(sa.update(table).values(roles="developer", hash="another"))
    assert "table tokens is not what its digest says" in audit(index)[0]


def test_teams_and_requesters(index):
    teams = Teams(index)
    for kind, value in (("member", "anna"), ("models", "risk/*")):
        for _ in range(2):
            teams.change("risk", kind, value, add=True, by="root", now=NOW)
    assert teams.of_person("anna") == {"risk"}
    assert teams.all()[0].to_json() == {"name": "risk", "members": ["anna"], "models": ["risk/*"]}
    snapshot = admitted.snapshot({"a": b"a"})
    index.put_snapshot(snapshot)
    with index.transaction() as tx:
        for _ in range(2):
            record_requester(tx, "risk/model", snapshot.id, "anna", NOW)
    assert thing_of(index, "risk/model", snapshot.id) == Thing("risk/model", frozenset({"risk"}), frozenset({"anna"}))
    assert thing_of(index, "org/model") == Thing("org/model")
    teams.change("risk", "member", "anna", add=False, by="root", now=NOW)
    assert teams.of_person("anna") == frozenset()
    assert audit(index) == ()
    for wrong in (("a b", "member", "x"), ("a", "king", "x"), ("a", "member", ""), ("a", "member", "x y")):
        with pytest.raises(UsageError):
            teams.change(*wrong, add=True, by="root", now=NOW)
