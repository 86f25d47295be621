"""`assay token`."""

import json

import pytest

from assay.cli.main import main
from assay.registry.token_text import PATTERN
from assay.registry.tokens import Tokens
from assay.store.index import Index


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_PERSON", "root")
    assert main(["init", "--data", str(tmp_path), "--quiet"]) == 0
    return tmp_path


def run(capsys, data, *arguments):
    capsys.readouterr()
    status = main(["token", *arguments, "--data", str(data)])
    return status, *capsys.readouterr()


def test_create_list_revoke(data, capsys):
    status, out, err = run(capsys, data, "create", "--role", "approver", "--name", "laptop", "--expires", "7")
    assert (status, err) == (0, "")
    assert PATTERN.fullmatch(out.strip())
    listed = json.loads(run(capsys, data, "list", "--format", "json")[1])["tokens"]
    assert [(one["name"], one["person"], one["roles"]) for one in listed] == [("laptop", "root", ["approver"])]
    assert out.strip() not in json.dumps(listed)
    assert run(capsys, data, "revoke", listed[0]["id"])[0] == 0
    assert "revoked" in run(capsys, data, "list")[1]
    index = Index.open(f"sqlite:///{data / 'index.sqlite'}")
    assert Tokens(index).get(listed[0]["id"]).revoked_at is not None
    index.close()


def test_one_document_with_the_token(data, capsys):
    _, out, _ = run(capsys, data, "create", "--scope", "read", "--scope", "model:org/*", "--format", "json")
    made = json.loads(out)
    assert PATTERN.fullmatch(made["token"])
    assert (made["roles"], made["scopes"]) == (["developer"], ["model:org/*", "read"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "--role", "king"), "not a role"),
        (("create", "--expires", "tomorrow"), "not a number of days"),
        (("create", "--expires", "2020-01-01"), "at most"),
        (("create", "--scope", "x"), "not a scope"),
        (("revoke",), "takes the id"),
        (("list", "x"), "takes the id"),
        (("revoke", "nothing"), "no token 'nothing'"),
    ],
)
def test_what_can_not_be_done_is_one_line(data, capsys, arguments, said):
    status, out, err = run(capsys, data, *arguments)
    assert (status, out, err.count("\n")) == (3, "", 1)
    assert said in err
