"""`assay ref NAME`: where `main` and the aliases pointed, who moved them, and what they were on a given day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import TrustError, UsageError

if TYPE_CHECKING:
    import argparse

    from assay.cli.settings import Settings
    from assay.provenance.trust import Trust

_EPILOG = """\
exit status: 0 done, 1 the ref pointed nowhere then, 3 error

A ref moves by a signed decision alone: assay approve NAME@REVISION --move production --reason TEXT
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("name", metavar="ORG/NAME")
    parser.add_argument("--ref", help="only this one, like production (default: all)")
    parser.add_argument("--at", metavar="DATE|TIME", help="what it was then: 2027-01-31 (its end) or …T12:00:00Z")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show the history."""
    from assay.cli.people import opened_index  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.core.name import check_name  # noqa: PLC0415
    from assay.core.verdict import format_time  # noqa: PLC0415
    from assay.registry.history import moves  # noqa: PLC0415

    settings, name, moment = load_settings(args), check_name(args.name), _moment(args.at)
    with opened_index(settings) as index:
        found = moves(index, name, args.ref, _trust(settings))
    if moment is not None:
        found = tuple({move.ref: move for move in found if move.moved_at <= moment}.values())
    if args.format == "json":
        print_json({"schema": "assay.ref/v1", "name": name, "moves": [move.to_json() for move in found]})
    else:
        for move in found:
            what = f"{format_time(move.moved_at)}  {move.ref:<12} {move.revision}"
            print(printable(f"{what}  {move.by or 'unknown'}: {move.reason or 'no reason given'}"))
        if not found and not args.quiet:
            print(f"{args.ref or 'main and the aliases'} pointed nowhere{' then' if moment else ''}")
    return 0 if found else 1


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        if "T" in text:
            return datetime.fromisoformat(text).astimezone(UTC)
        return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1, seconds=-1)
    except ValueError as error:
        raise UsageError(f"not a date: {text[:40]!r}", hint="like 2027-01-31 or 2027-01-31T12:00:00Z") from error


def _trust(settings: Settings) -> Trust | None:
    from assay.provenance.trust import Trust  # noqa: PLC0415

    try:
        return Trust.load(settings.trust)
    except TrustError:
        return None  # without it, keys are named by their role
