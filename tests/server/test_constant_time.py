"""No secret is compared by `==`: how long that takes tells how much of a guess was right.

By construction: in the rooms that take secrets from outside, each comparison of one goes through `hmac.compare_digest`
or argon2, or looks a SHA-256 of it up. The names are those that the code has for secrets; what has such a name and is
none stands below.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "assay"
ROOMS = ("server", "registry")
SECRET = re.compile(
    r"(^|_)(token|secret|signature|sig|csrf|cookie|password|passphrase|bearer|presented|brought|authorization|"
    r"credential|nonce|verifier|device_code|mac|hmac)$"
)
# Columns that hold the public id of a token, by which its rows are joined.
IDS = {"token_revocations.c.token", "token_uses.c.token", "token_claims.c.token", "sessions.c.token"}
# Where a secret comes in from outside, and what compares it there.
TAKEN = {
    "registry/tokens.py": "compare_digest",  # access tokens, besides argon2
    "registry/uploads.py": "compare_digest",  # links of uploads
    "server/upload_xet.py": "compare_digest",  # tokens of Xet uploads
    "server/session.py": "compare_digest",  # tokens of forms
    "server/oidc_login.py": "compare_digest",  # the state of a login
    "registry/sessions.py": "_hashed",  # cookies
    "registry/logins.py": "_hashed",  # codes of logins under way
}


def compared(source: str) -> list[str]:
    """Comparisons by `==`, `!=` or `in` of something that has the name of a secret; with a constant is no guess."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(one, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for one in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) or (isinstance(side, ast.Name) and side.id.isupper()) for side in sides):
            continue
        if any(SECRET.search(name(side)) and ast.unparse(side) not in IDS for side in sides):
            found.append(ast.unparse(node))
    return found


def name(node: ast.AST) -> str:
    """The last word of what is compared: of a name, a member, an entry, or what a method is called on."""
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word) | ast.Subscript(slice=ast.Constant(value=str(word))):
            return word.lower()
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(word)), *_]):
            return word.lower()
        case ast.Call(func=ast.Attribute(value=inner)) | ast.Subscript(value=inner):
            return name(inner)
        case _:
            return ""


def test_no_comparison_of_a_secret_by_equality() -> None:
    sources = [path for room in ROOMS for path in sorted((SOURCE / room).rglob("*.py"))]
    found = {str(path.relative_to(SOURCE)): compared(path.read_text("utf-8")) for path in sources}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(("path", "by"), TAKEN.items())
def test_what_takes_a_secret_compares_it_safely(path: str, by: str) -> None:
    tree = ast.parse((SOURCE / path).read_text("utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert any(getattr(call, "attr", getattr(call, "id", "")) == by for call in calls)


@pytest.mark.parametrize(
    "line",
    [
        "token == stored",
        "request.query['sig'] != expected",
        "fields.get('csrf') == session.csrf",
        "session.csrf.encode() == brought",
        "given in (self.secret, other.secret) or cookie in known",
    ],
)
def test_a_comparison_of_a_secret_is_seen(line: str) -> None:
    assert compared(line)
