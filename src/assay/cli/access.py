"""`assay access review`: who may do what, and what nobody uses; `assay access team`: who belongs where."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.people import opened_index, this_person
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from assay.registry.access import Review
    from assay.registry.teams import Teams

_EPILOG = """\
exit status: 0 done, 3 error

review  who may do what, by which token, session, key or rule; marks tokens that nobody used for 30 days
team    assay access team risk --add-member anna --add-models 'risk/*'; a team's models are hidden from everybody else
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("review", "team"))
    parser.add_argument("team", nargs="?", metavar="TEAM", help="team: its name")
    for word in ("add", "remove"):
        for kind, what in (("member", "PERSON"), ("models", "PATTERN")):
            parser.add_argument(f"--{word}-{kind}", action="append", default=[], metavar=what, help=f"team: {word} it")
    add_data_argument(parser)
    add_output_arguments(parser, ("text", "json", "html"))


def run(args: argparse.Namespace) -> int:
    """Show or change."""
    from assay.provenance.trust import Trust  # noqa: PLC0415
    from assay.registry.access import review  # noqa: PLC0415
    from assay.registry.sessions import Sessions  # noqa: PLC0415
    from assay.registry.teams import Teams  # noqa: PLC0415
    from assay.registry.tokens import Tokens  # noqa: PLC0415

    if (args.action == "team") is not bool(args.team):
        raise UsageError("`team` takes the name of a team, `review` nothing")
    settings, now = load_settings(args), datetime.now(UTC)
    with opened_index(settings) as index:
        teams = Teams(index)
        if args.action == "team":
            return _team(args, teams, now)
        trust = Trust.load(settings.trust) if settings.trust.exists() else None
        rules = [f"logins by {settings.oidc_issuer}: {one}" for one in settings.oidc_roles if settings.oidc_issuer]
        rules += [f"pipelines: {one}" for one in settings.ci_issuers]
        found = review(Tokens(index), teams, Sessions(index), trust, now, rules=rules)
    if args.format == "json":
        print_json(found.to_json())
    elif args.format == "html":
        print(_html(found))
    else:
        _show(found)
    return 0


def _team(args: argparse.Namespace, teams: Teams, now: datetime) -> int:
    for kind in ("member", "models"):
        for add in (True, False):
            for value in getattr(args, f"{'add' if add else 'remove'}_{kind}"):
                teams.change(args.team, kind, value, add=add, by=this_person(), now=now)
    found = [team for team in teams.all() if team.name == args.team]
    if args.format == "json":
        print_json({"schema": "assay.team/v1", "teams": [team.to_json() for team in found]})
    elif not args.quiet:
        for team in found:
            print(f"{team.name}: {', '.join(team.members) or 'nobody'}; models {', '.join(team.models) or 'none'}")
    return 0


def _tables(found: Review) -> dict[str, list[tuple[str, ...]]]:
    """Every part of the review as lines of text, its head first."""

    def day(moment: datetime | None) -> str:
        return moment.strftime("%Y-%m-%d") if moment else "never"

    people = [
        (one["person"], *(str(one[key]) for key in ("tokens", "sessions", "keys")), ", ".join(one["teams"]) or "-",
         ", ".join(one["rights"]) or "nothing")
        for one in found.people()
    ]  # fmt: skip
    tokens = [
        (one.person, one.name, one.kind, ", ".join(one.roles), ", ".join(one.scopes) or "all", day(one.expires_at),
         day(one.used_at), "UNUSED" if one.id in found.unused else "")
        for one in found.live
    ]  # fmt: skip
    sessions = [
        (one.actor.person, ", ".join(sorted(one.actor.roles)), ", ".join(sorted(one.actor.scopes)) or "all",
         one.actor.token or "login", f"{one.expires_at:%Y-%m-%d %H:%M}")
        for one in found.sessions
    ]  # fmt: skip
    keys = [
        (person, ", ".join(roles), day(until), "REVOKED" if revoked else "", key)
        for person, key, roles, until, revoked in found.keys
    ]
    teams = [(one.name, ", ".join(one.members) or "nobody", ", ".join(one.models) or "none") for one in found.teams]
    return {
        "People": [("person", "tokens", "sessions", "keys", "teams", "may"), *people],
        "Tokens that work": [("person", "token", "kind", "roles", "scopes", "until", "used", ""), *tokens],
        "Sessions of browsers": [("person", "roles", "scopes", "by", "until"), *sessions],
        "Keys of people": [("person", "roles", "until", "", "key"), *keys],
        "Teams": [("team", "members", "models"), *teams],
        "Who else is let in": [("rule",), *((rule,) for rule in found.rules)],
    }


def _show(found: Review) -> None:
    from assay.cli.output import console  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415

    out = console()
    for title, lines in _tables(found).items():
        if len(lines) > 1:
            out.print(f"{title}:")
            for line in lines:
                out.print("  " + "  ".join(printable(cell) for cell in line))


def _html(found: Review) -> str:
    """One file, no outside resource."""
    from assay.core.escape import printable  # noqa: PLC0415

    parts = []
    for title, (head, *lines) in _tables(found).items():
        top = "".join(f"<th scope=col>{cell}" for cell in head)
        rows = "".join("<tr>" + "".join(f"<td>{escape(printable(cell))}" for cell in line) for line in lines)
        parts.append(f"<h2>{title}</h2>" + (f"<table><tr>{top}{rows}</table>" if lines else "<p>None.</p>"))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Access review</title>"
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem}td,th{text-align:left;vertical-align:top;"
        "padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ccc}</style>"
        f"<h1>Access review of {found.at:%Y-%m-%d %H:%M} UTC</h1>{''.join(parts)}"
        "<p>Reviewed by: ____________________ on: ____________</html>"
    )
