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

review  who may do what, by which token or key; marks tokens that nobody used for 30 days
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
        found = review(Tokens(index), teams, trust, now)
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


def _lines(found: Review) -> list[tuple[str, ...]]:
    return [
        (
            one.person,
            one.name,
            ", ".join(one.roles),
            ", ".join(one.scopes) or "all",
            one.expires_at.strftime("%Y-%m-%d"),
            one.used_at.strftime("%Y-%m-%d") if one.used_at else "never",
            "UNUSED" if one.id in found.unused else "",
        )
        for one in found.live
    ]


_HEAD = ("person", "token", "roles", "scopes", "until", "used", "")


def _show(found: Review) -> None:
    from assay.cli.output import console  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415

    out = console()
    for one in found.people():
        teams = f"; teams {', '.join(one['teams'])}" if one["teams"] else ""
        out.print(f"{printable(one['person'])}: {', '.join(one['rights']) or 'nothing'}{teams}; {one['keys']} key(s)")
    for line in (_HEAD, *_lines(found)):
        out.print("  " + "  ".join(printable(cell) for cell in line))


def _html(found: Review) -> str:
    """One file, no outside resource."""
    people = "".join(
        f"<tr><th scope=row>{escape(one['person'])}<td>{escape(', '.join(one['rights']))}<td>{one['tokens']}"
        f"<td>{one['keys']}<td>{escape(', '.join(one['teams']))}"
        for one in found.people()
    )
    tokens = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in line) for line in _lines(found))
    head = "".join(f"<th scope=col>{cell}" for cell in _HEAD)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Access review</title>"
        f"<h1>Access review of {found.at:%Y-%m-%d %H:%M} UTC</h1>"
        "<table><tr><th scope=col>person<th scope=col>may<th scope=col>tokens<th scope=col>keys<th scope=col>teams"
        f"{people}</table><h2>Tokens that work</h2><table><tr>{head}{tokens}</table></html>"
    )
