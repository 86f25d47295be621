"""Access review: who may do what, by which token or key, and what nobody uses. For a person who has to sign it off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from assay.core.verdict import format_time
from assay.registry.people import RIGHTS, may

if TYPE_CHECKING:
    from datetime import datetime

    from assay.provenance.trust import Trust
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
    """

    at: datetime
    live: tuple[TokenRecord, ...]
    rights: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]
    teams: tuple[Team, ...]
    keys: tuple[tuple[str, str, tuple[str, ...], datetime, bool], ...]

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
        }

    def people(self) -> list[dict[str, Any]]:
        """Each person with everything that any of their tokens may, and how many tokens that is."""
        names = sorted({one.person for one in self.live} | {key[0] for key in self.keys})
        return [
            {
                "person": name,
                "tokens": sum(one.person == name for one in self.live),
                "rights": sorted({r for one in self.live if one.person == name for r in self.rights[one.id]}),
                "keys": sum(key[0] == name and not key[4] for key in self.keys),
                "teams": [team.name for team in self.teams if name in team.members],
            }
            for name in names
        ]


def review(tokens: Tokens, teams: Teams, trust: Trust | None, now: datetime) -> Review:
    """Look at everything that gives access now."""
    live = tuple(one for one in tokens.all() if one.live(now))
    rights = {one.id: tuple(sorted(a for a in RIGHTS if may(one.actor(), a))) for one in live}
    unused = tuple(one.id for one in live if now - (one.used_at or one.created_at) > UNUSED)
    keys = tuple(
        (key.person, key.public.id, tuple(sorted(key.roles)), key.not_after, key.revoked)
        for key in (trust.keys if trust else ())
        if key.person
    )
    return Review(now, live, rights, unused, teams.all(), keys)
