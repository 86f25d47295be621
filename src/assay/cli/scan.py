"""`assay scan PATH…`: inspect files without loading them; no server, no model library."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json, progress_bar

if TYPE_CHECKING:
    import argparse

_SEVERITIES = ("note", "low", "medium", "high", "critical")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file or directory")
    add_output_arguments(parser)
    parser.add_argument(
        "--fail-on", choices=_SEVERITIES, default="medium", metavar="SEVERITY",
        help="exit with 1 for a finding at or above this (note, low, medium, high, critical; default: medium)",
    )  # fmt: skip
    parser.add_argument("--name", default="", metavar="ORG/NAME", help="the name that is claimed for the model")
    parser.epilog = (
        "exit status: 0 everything read and nothing at or above --fail-on; 1 findings; 2 no such finding, but\n"
        "something unread, inconclusive or in error; 3 usage or environment. Each directory is one snapshot; files\n"
        "given together are one more."
    )


def run(args: argparse.Namespace) -> int:
    """Scan, show, and return the exit status."""
    from assay.core.finding import Severity  # noqa: PLC0415
    from assay.inspections.scan import scan  # noqa: PLC0415

    with progress_bar(args) as progress:
        report = scan(args.paths, name=args.name, progress=progress)
    status = report.exit_status(Severity.parse(args.fail_on))
    if args.format == "json":
        from assay.inspections.report_json import to_json  # noqa: PLC0415

        print_json(to_json(report))
    else:
        from assay.cli.scan_text import render  # noqa: PLC0415

        sys.stdout.writelines(render(report, quiet=args.quiet, colour=_colour()))
    return status


def _colour() -> bool:
    import os  # noqa: PLC0415

    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
