"""`assay token create|list|revoke`: access tokens. `create` prints the token alone, once: it is kept nowhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.people import opened_index, this_person
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from assay.registry.tokens import TokenRecord, Tokens

_DAYS = re.compile(r"(\d{1,4})d?")
_EPILOG = """\
exit status: 0 done, 3 error

create  assay token create --name laptop --role developer [--person anna] [--expires 30] [--scope read]
list    all tokens ever made, without their secrets
revoke  assay token revoke ID; holds from the next request on

scopes: read, write, decide, audit, metrics, and model:org/* for the models it is good for; several may be given
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("create", "list", "revoke"))
    parser.add_argument("id", nargs="?", metavar="ID", help="revoke: the token's public id")
    parser.add_argument("--role", action="append", default=[], help="developer (default), reviewer, approver, …")
    parser.add_argument("--name", help="create: what to call it (default: the person)")
    parser.add_argument("--person", help="create: whose it is (default: your name on this machine)")
    parser.add_argument("--expires", metavar="DAYS|DATE", help="create: days from now or 2027-01-31 (default: 90 days)")
    parser.add_argument("--scope", action="append", default=[], help="create: leave it less than the role may")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do it on the index that the settings name."""
    from assay.registry.tokens import Tokens  # noqa: PLC0415

    if (args.action == "revoke") is not bool(args.id):
        raise UsageError("`revoke` takes the id of a token, the others none")
    now = datetime.now(UTC).replace(microsecond=0)
    with opened_index(load_settings(args)) as index:
        tokens = Tokens(index)
        if args.action == "create":
            return _create(args, tokens, now)
        found: tuple[TokenRecord, ...]
        found = (tokens.revoke(args.id, by=this_person(), now=now),) if args.action == "revoke" else tokens.all()
    if args.format == "json":
        print_json({"schema": f"assay.token.{args.action}/v1", "tokens": [record.to_json() for record in found]})
    elif not args.quiet:
        _show(found, now)
    return 0


def _create(args: argparse.Namespace, tokens: Tokens, now: datetime) -> int:
    from assay.registry.tokens import LIFETIME  # noqa: PLC0415

    person = args.person or this_person()
    text, record = tokens.create(
        person=person,
        roles=args.role or ["developer"],
        name=args.name or person,
        by=this_person(),
        now=now,
        lifetime=_lifetime(args.expires, now) if args.expires else LIFETIME,
        scopes=args.scope,
    )
    if args.format == "json":
        print_json({"schema": "assay.token.create/v1", "token": text, **record.to_json()})
    else:
        print(text)
    return 0


def _lifetime(text: str, now: datetime) -> timedelta:
    if days := _DAYS.fullmatch(text):
        return timedelta(days=int(days[1]))
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) - now
    except ValueError as error:
        raise UsageError(f"not a number of days and not a date: {text[:40]!r}", hint="like 30 or 2027-01-31") from error


def _show(found: tuple[TokenRecord, ...], now: datetime) -> None:
    from assay.cli.output import console  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.core.verdict import format_time  # noqa: PLC0415

    out = console()
    if not found:
        out.print("no token was made yet: assay token create")
    for one in found:
        state = "live" if one.live(now) else "revoked" if one.revoked_at else "expired"
        used = format_time(one.used_at) if one.used_at else "never"
        scopes = f" ({', '.join(one.scopes)})" if one.scopes else ""
        out.print(
            f"{one.id}  {state:<7}  {printable(one.person)}: {printable(one.name)}, {', '.join(one.roles)}{scopes}, "
            f"until {format_time(one.expires_at)}, used {used}"
        )
