"""`assay purge --cache DIR`: remove revoked revisions from the cache of a hub client."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    import argparse

    from assay.cli.settings import Settings
    from assay.incident.purge import Copy

TOKEN = "ASSAY_TOKEN"  # noqa: S105 - the name of a variable
_EPILOG = f"""\
exit status: 0 no revoked copy is left, 1 one is (with --dry-run, or because it could not be removed), 3 error

A pinned and cached revision is used without asking anybody: run this wherever models are cached, from cron or a
DaemonSet. Only signed revocations count, checked against the trust file. A token for the registry comes from ${TOKEN}.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("--cache", required=True, metavar="DIR", help="HF_HOME, its hub folder, or a cache_dir")
    parser.add_argument("--registry", metavar="URL", help="ask this registry (default: the index of this machine)")
    parser.add_argument("--trust", metavar="FILE", help="trust file (default: trust.toml in the data directory)")
    parser.add_argument("--dry-run", action="store_true", help="only say what is there")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Find, remove, say."""
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.incident.purge import checked, copies, remove  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415

    settings, cache = load_settings(args), Path(args.cache).expanduser()
    if not cache.is_dir():
        raise UsageError(f"no such folder: {cache}", hint="give the client's HF_HOME")
    entries = _entries(args.registry, settings)
    revoked, unsigned = checked(entries, Trust.load(settings.trust))
    for line in unsigned:
        sys.stderr.write(f"assay: note: not believed: {printable(line, limit=500)}\n")
    found = copies(cache, revoked)
    left: list[Copy] = []
    for copy in found:
        try:
            if args.dry_run:
                left.append(copy)
            else:
                remove(copy)
        except EnvironmentFault as problem:
            left.append(copy)
            sys.stderr.write(f"assay: error: {printable(str(problem), limit=500)}\n")
    _show(args, found, left)
    return 1 if left else 0


def _entries(registry: str | None, settings: Settings) -> list[dict[str, Any]]:
    if registry:
        from assay.incident.purge import fetch  # noqa: PLC0415

        return fetch(registry, os.environ.get(TOKEN))
    from assay.cli.people import opened_index  # noqa: PLC0415
    from assay.registry.withdrawn import withdrawn  # noqa: PLC0415

    with opened_index(settings) as index:
        return [one.to_json() for one in withdrawn(index)]


def _show(args: argparse.Namespace, found: list[Copy], left: list[Copy]) -> None:
    from assay.core.escape import printable  # noqa: PLC0415

    if args.format == "json":
        kept = {id(copy) for copy in left}
        rows = [copy.to_json() | {"removed": id(copy) not in kept} for copy in found]
        print_json({"schema": "assay.purge/v1", "copies": rows})
        return
    for copy in found:
        verb = "there is" if copy in left else "removed"
        what = f"{copy.revoked.name} {copy.revoked.revision[:12]}: {len(copy.blobs)} files, {copy.size / 1e6:.1f} MB"
        print(f"{verb} {printable(what)} ({printable(copy.revoked.reason)})")
    if not found and not args.quiet:
        print("no revoked copy in this cache")
