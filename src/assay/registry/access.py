"""Access review: who may do what, by which token, session, key or rule; what nobody uses. For whoever signs it off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from assay.core.verdict import format_time
from assay.registry.people import RIGHTS, may

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from assay.provenance.trust import Trust
    from assay.registry.people import Actor
    from assay.registry.sessions import Session, Sessions
    from assay.registry.teams import Team, Teams
    from assay.registry.tokens import TokenRecord, Tokens

UNUSED = timedelta(days=30)  # a live token that was not used for so long is one too many


@dataclass(frozen=True, slots=True)
class Review:
    """What a review shows.

    Attributes:
        at: when it was made.
        live: tokens that work.
        rights: rights of each of them, by id, sorted.
        unused: ids of live tokens that nobody used for `UNUSED`.
        teams: all teams.
        keys: (person, id, roles, end, revoked) of the keys of people in the trust file.
        sessions: of browsers, that work.
        rules: what lets others in who have no token yet: logins by a provider, identity tokens of pipelines.
    """

    at: datetime
    live: tuple[TokenRecord, ...]
    rights: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]
    teams: tuple[Team, ...]
    keys: tuple[tuple[str, str, tuple[str, ...], datetime, bool], ...]
    sessions: tuple[Session, ...] = ()
    rules: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the API and `--format json` show it."""
        return {
            "schema": "assay.access-review/v1",
            "at": format_time(self.at),
            "people": self.people(),
            "tokens": [
                one.to_json() | {"rights": list(self.rights[one.id]), "unused": one.id in self.unused}
                for one in self.live
            ],
            "teams": [team.to_json() for team in self.teams],
            "keys": [
                {"person": person, "id": key, "roles": list(roles), "until": format_time(until), "revoked": revoked}
                for person, key, roles, until, revoked in self.keys
            ],
            "sessions": [_of_session(one) for one in self.sessions],
            "rules": list(self.rules),
        }

    def people(self) -> list[dict[str, Any]]:
        """Each person with everything that any of their tokens and sessions may, and how many of each there are."""
        members = {name for team in self.teams for name in team.members}
        held = [(one.person, set(self.rights[one.id])) for one in self.live]
        held += [(one.actor.person, set(rights_of(one.actor))) for one in self.sessions]
        names = sorted({name for name, _ in held} | {key[0] for key in self.keys} | members)
        return [
            {
                "person": name,
                "tokens": sum(one.person == name for one in self.live),
                "sessions": sum(one.actor.person == name for one in self.sessions),
                "rights": sorted(set().union(*(rights for person, rights in held if person == name))),
                "keys": sum(key[0] == name and not key[4] for key in self.keys),
                "teams": [team.name for team in self.teams if name in team.members],
            }
            for name in names
        ]


def rights_of(actor: Actor) -> tuple[str, ...]:
    """What somebody may, sorted; of models that a scope leaves out nothing is said here."""
    return tuple(sorted(action for action in RIGHTS if may(actor, action)))


def review(
    tokens: Tokens, teams: Teams, sessions: Sessions, trust: Trust | None, now: datetime, *, rules: Iterable[str] = ()
) -> Review:
    """Look at everything that gives access now; `rules`: what the settings say about logins and pipelines."""
    live = tuple(one for one in tokens.all() if one.live(now))
    rights = {one.id: rights_of(one.actor()) for one in live}
    unused = tuple(one.id for one in live if now - (one.used_at or one.created_at) > UNUSED)
    keys = tuple(
        (key.person, key.public.id, tuple(sorted(key.roles)), key.not_after, key.revoked)
        for key in (trust.keys if trust else ())
        if key.person
    )
    return Review(now, live, rights, unused, teams.all(), keys, sessions.live(now), tuple(rules))


def _of_session(one: Session) -> dict[str, Any]:
    words = {"roles": sorted(one.actor.roles), "teams": sorted(one.actor.teams), "scopes": sorted(one.actor.scopes)}
    times = {key: format_time(at) for key, at in (("used_at", one.used_at), ("expires_at", one.expires_at))}
    by = one.actor.token or "login"
    return {"person": one.actor.person, "by": by, **words, **times, "rights": list(rights_of(one.actor))}
