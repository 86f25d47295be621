"""`assay gc`: delete the bytes that nothing needs any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from assay.store.index import Index

_DAYS = 90
_MOST_DAYS = 36_500
_PULL_DAYS = 730  # the exposure window: how far back an incident may have to ask who pulled something
_EPILOG = """\
exit status: 0 done, 3 error

Needed: what can be served, what waits to be vetted, what is under a legal hold (`assay hold`), and what was judged,
uploaded or revoked within the days that are kept. What nothing needs is marked first, and deleted by the next
collection at least a day later: run it daily. Manifests, evidence, verdicts and statements are never deleted. The
ledger of who pulled what is kept for --pull-days, and for longer about models under a legal hold.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("--keep-days", type=int, default=_DAYS, metavar="N", help="for looking back (default: 90)")
    parser.add_argument(
        "--pull-days", type=int, default=_PULL_DAYS, metavar="N", help="of the pull ledger; 0: all (default: 730)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    parser.add_argument("--report", action="store_true", help="only say what the store holds")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Collect, or report."""
    from assay.cli.people import opened_index  # noqa: PLC0415
    from assay.registry.retention import Retention  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415

    if not 0 <= args.pull_days <= _MOST_DAYS:
        raise UsageError(f"--pull-days is 0 to {_MOST_DAYS}")
    settings = load_settings(args)
    with opened_index(settings) as index:
        retention = Retention(index, open_blobs(settings.blobs_url), args.keep_days)
        if args.report:
            report = retention.report()
            if args.format == "json":
                print_json({"schema": "assay.storage/v1", **report})
            else:
                for key, value in report.items():
                    print(f"{key.replace('_', ' '):<14}{value:>16,}")
            return 0
        done, forgotten = retention.collect(dry_run=args.dry_run), _forget(index, args)
    if args.format == "json":
        print_json({"schema": "assay.gc/v1", "dry_run": args.dry_run, **done.to_json(), "pulls": forgotten})
    elif not args.quiet:
        verb = "would go" if args.dry_run else "deleted"
        for what, (count, size) in (("kept", done.kept), ("marked", done.marked), (verb, done.deleted)):
            print(f"{what:<10}{count:>9,} blobs {size / 1e6:>14,.1f} MB")
        print(f"{verb:<10}{forgotten:>9,} rows of the pull ledger")
    return 0


def _forget(index: Index, args: argparse.Namespace) -> int:
    from assay.registry.pulls import PullLedger  # noqa: PLC0415

    if not args.pull_days:
        return 0
    now = datetime.now(UTC)
    return PullLedger(index).prune(now - timedelta(days=args.pull_days), now, dry_run=args.dry_run)
