"""`assay waive REF --finding RULE[@FILE] --until DATE`: a finding is set aside until a day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assay.cli.decision import add_decision_arguments, decide, person_of
from assay.core.errors import UsageError

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = (
        "exit status: 0 kept, 3 not. The policy says which findings a waiver may set aside, and for how long\n"
        "([people] waive, waiver_days). What was not read, is missing or inconclusive can't be waived."
    )
    parser.add_argument("--finding", required=True, metavar="RULE[@FILE]", help="which finding of this snapshot")
    parser.add_argument("--until", required=True, metavar="DATE", help="the end, like 2027-01-31 (midnight, UTC)")
    add_decision_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Sign and hand over."""
    from assay.provenance.events import waived  # noqa: PLC0415

    rule, _, file = args.finding.partition("@")
    try:
        until = datetime.strptime(args.until, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"not a date: {args.until[:40]!r}", hint="like 2027-01-31") from error
    return decide(
        args,
        lambda case, now: [
            waived(
                case.snapshot,
                name=case.name,
                finding={"rule": rule, "file": file} if file else {"rule": rule},
                person=person_of(args),
                reason=args.reason,
                until=until,
                previous=case.approval,
                at=now,
            )
        ],
    )
