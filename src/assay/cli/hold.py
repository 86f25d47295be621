"""`assay hold add|release|list`: legal holds. What is held is never collected as garbage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from assay.core.digest import Digest
    from assay.registry.retention import Hold
    from assay.store.index import Index

_EPILOG = """\
exit status: 0 done, 3 error

add      assay hold add org/name[@REV] --reason "case 12"   or a snapshot: assay hold add sha256:…
release  assay hold release NUMBER
list     all holds ever placed
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("add", "release", "list"))
    parser.add_argument("what", nargs="?", metavar="REF|NUMBER", help="add: what to keep; release: number of the hold")
    parser.add_argument("--reason", default="", help="add: why")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do it and show the holds."""
    from assay.cli.people import opened_index, this_person  # noqa: PLC0415
    from assay.registry.retention import Retention  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415

    settings = load_settings(args)
    if args.action != "list" and not args.what:
        raise UsageError("what is to be held or released?", hint="see assay hold --help")
    with opened_index(settings) as index:
        retention = Retention(index, open_blobs(settings.blobs_url))
        shown: tuple[Hold, ...]
        if args.action == "add":
            shown = (retention.hold(_snapshot(index, args.what), args.reason, this_person()),)
        elif args.action == "release":
            shown = (retention.release(_number(args.what), this_person()),)
        else:
            shown = retention.holds()
    _show(args, shown)
    return 0


def _snapshot(index: Index, text: str) -> Digest:
    """A snapshot, by its id, or by a name and what its revision holds, served or not."""
    from assay.core.digest import Digest  # noqa: PLC0415
    from assay.gate.reference import split_reference  # noqa: PLC0415
    from assay.registry.catalog import Catalog  # noqa: PLC0415

    if text.startswith("sha256:"):
        return Digest.parse(text)
    name, revision = split_reference(text)
    catalog = Catalog(index)
    refs = {ref.ref: ref.revision for ref in catalog.refs(name)}
    wanted = refs.get(revision, revision)
    for one in catalog.revisions(name):
        if one.revision == wanted:
            return one.snapshot_id
    raise UsageError(f"{name} has no revision {revision!r} here", hint="give the snapshot: sha256:…")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:  # noqa: PLR2004
        raise UsageError(f"not the number of a hold: {text[:40]!r}", hint="assay hold list")
    return int(text)


def _show(args: argparse.Namespace, holds: tuple[Hold, ...]) -> None:
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.core.verdict import format_time  # noqa: PLC0415

    rows = [
        {
            "id": one.seq,
            "snapshot": str(one.snapshot_id),
            "reason": one.reason,
            "placed_by": one.placed_by,
            "placed_at": format_time(one.placed_at),
            "released_at": format_time(one.released_at) if one.released_at else "",
        }
        for one in holds
    ]
    if args.format == "json":
        print_json({"schema": "assay.holds/v1", "holds": rows})
        return
    for row in rows:
        state = f"released {row['released_at']}" if row["released_at"] else "in force"
        print(f"{row['id']:>4}  {state}  {row['snapshot']}  {printable(str(row['reason']))} ({row['placed_by']})")
