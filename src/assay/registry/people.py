"""Who may do what: one pure function over a table of rights.

| right | developer | reviewer | approver | admin | auditor |
|---|---|---|---|---|---|
| `pull`: read models and their statements | ✓ | ✓ | ✓ | ✓ | |
| `browse`: lists, evidence, verdicts, decisions | ✓ | ✓ | ✓ | ✓ | ✓ |
| `request`, `upload`: ask for a model | ✓ | ✓ | ✓ | ✓ | |
| `reject`, `quarantine`: the safe direction | | ✓ | ✓ | ✓ | |
| `approve`, `waive`, `move-ref`, `lift` | | | ✓ | | |
| `break-glass`: admit without a second person, loudly | | | | ✓ | |
| `token.own`: make and revoke tokens of one's own | ✓ | ✓ | ✓ | ✓ | ✓ |
| `token.any`, `team`, `settings` | | | | ✓ | |
| `audit`: log, access review | | | | ✓ | ✓ |
| `metrics`, `alerts` | | ✓ | ✓ | ✓ | ✓ |

Besides the table: whoever asked for a model can't approve or waive it, nor point `main` or an alias to it (four eyes),
a model that belongs to teams is seen by their members and by whoever reviews, approves, administers or audits, and a
token may hold less than its roles: its scopes say which rights and which names.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

ROLES = ("developer", "reviewer", "approver", "admin", "auditor")
ANONYMOUS = "anonymous"

_ALL = frozenset(ROLES)
_USERS = frozenset({"developer", "reviewer", "approver", "admin"})
_REVIEW = frozenset({"reviewer", "approver", "admin"})
_APPROVE = frozenset({"approver"})
_ADMIN = frozenset({"admin"})
RIGHTS: dict[str, frozenset[str]] = {
    "pull": _USERS,
    "browse": _ALL,
    "request": _USERS,
    "upload": _USERS,
    "reject": _REVIEW,
    "quarantine": _REVIEW,
    "approve": _APPROVE,
    "waive": _APPROVE,
    "move-ref": _APPROVE,
    "lift": _APPROVE,
    "break-glass": _ADMIN,
    "token.own": _ALL,
    "token.any": _ADMIN,
    "team": _ADMIN,
    "settings": _ADMIN,
    "audit": frozenset({"admin", "auditor"}),
    "metrics": _REVIEW | {"auditor"},
    "alerts": _REVIEW | {"auditor"},
}
# What anybody may who reaches a server that is read without an account.
ANONYMOUS_RIGHTS = frozenset({"pull", "browse", "metrics"})
# Scope of a token → the rights it leaves. A token without such a scope has all rights of its roles.
SCOPES: dict[str, frozenset[str]] = {
    "read": frozenset({"pull", "browse"}),
    "write": frozenset({"pull", "browse", "request", "upload"}),
    "decide": frozenset({"browse", "approve", "reject", "waive", "quarantine", "move-ref", "lift", "break-glass"}),
    "audit": frozenset({"browse", "audit", "metrics", "alerts"}),
    "metrics": frozenset({"metrics"}),
}
MODEL_SCOPE = "model:"  # + a pattern of names: the token works for these models alone
_SEES_ALL = frozenset({"reviewer", "approver", "admin", "auditor"})
_MANAGING = frozenset({"token.own", "token.any", "team", "settings"})  # a token that holds less can't make more
FOUR_EYES = frozenset({"approve", "waive", "move-ref"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Attributes:
        person: name; `anonymous` for nobody known.
        roles: out of `ROLES`; empty for nobody known.
        teams: teams that the identity provider or the token names, besides those of the registry.
        scopes: of the token; empty: everything that the roles may.
        token: id of the token, empty for a browser session or nobody known.
        kind: `anonymous`, `token`, `session`, `device`, `ci`.
    """

    person: str
    roles: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    token: str = ""
    kind: str = "token"

    @property
    def known(self) -> bool:
        """Whether it is somebody."""
        return self.kind != ANONYMOUS


NOBODY = Actor(ANONYMOUS, kind=ANONYMOUS)


@dataclass(frozen=True, slots=True)
class Thing:
    """What is acted upon.

    Attributes:
        model: `org/name`, or empty when it is no model.
        teams: teams that the model belongs to; none: everybody's.
        requesters: who asked for it.
    """

    model: str = ""
    teams: frozenset[str] = frozenset()
    requesters: frozenset[str] = frozenset()


NOTHING = Thing()


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether, and why not.

    Attributes:
        allowed: true or false.
        why: the reason of a refusal, one clause.
        hidden: the thing must not even be admitted to exist.
    """

    allowed: bool
    why: str = ""
    hidden: bool = False

    def __bool__(self) -> bool:
        """`allowed`."""
        return self.allowed


YES = Answer(True)


def may(actor: Actor, action: str, thing: Thing = NOTHING) -> Answer:
    """Whether `actor` may do `action` to `thing`. Pure. An action that is not in the table is nobody's right."""
    if thing.model and not visible(actor, thing):
        return Answer(False, "it belongs to a team that you are not in", hidden=True)
    if not actor.known:
        return YES if action in ANONYMOUS_RIGHTS else Answer(False, f"{action!r} needs a token")
    holders = RIGHTS.get(action, frozenset())
    if not actor.roles & holders:
        needed = " or ".join(role for role in ROLES if role in holders) or "nobody"
        held = ", ".join(sorted(actor.roles)) or "no role"
        return Answer(False, f"{action!r} is the right of {needed}, and {actor.person} has {held}")
    if refusal := _out_of_scope(actor, action, thing):
        return Answer(False, refusal)
    if action in FOUR_EYES and actor.person in thing.requesters:
        return Answer(False, f"{actor.person} asked for this model: somebody else has to decide (four eyes)")
    return YES


def visible(actor: Actor, thing: Thing) -> bool:
    """Whether the model may be seen: it is everybody's, one of the actor's teams has it, or the actor sees all."""
    return not thing.teams or bool(thing.teams & actor.teams) or bool(actor.roles & _SEES_ALL)


def _out_of_scope(actor: Actor, action: str, thing: Thing) -> str:
    if actor.scopes and action in _MANAGING:
        return "a token with scopes manages nothing"
    patterns = [scope.removeprefix(MODEL_SCOPE) for scope in actor.scopes if scope.startswith(MODEL_SCOPE)]
    if patterns and thing.model and not any(fnmatchcase(thing.model, pattern) for pattern in patterns):
        return f"this token is good for {', '.join(sorted(patterns))} only"
    rights = [SCOPES[scope] for scope in actor.scopes if scope in SCOPES]
    if rights and not any(action in some for some in rights):
        named = ", ".join(sorted(scope for scope in actor.scopes if scope in SCOPES))
        return f"the scope of this token is {named}: it leaves out {action!r}"
    return ""
