"""`assay scan PATH…`: inspect files without loading them; no server, no model library."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json, progress_bar

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from assay.inspections.report import Report

_SEVERITIES = ("note", "low", "medium", "high", "critical")
_FORMATS = ("text", "json", "sarif", "html")
_HUB = "hf://"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="file, directory, `-` for standard input, or hf://org/name[@revision]"
    )
    add_output_arguments(parser, _FORMATS)
    parser.add_argument(
        "--fail-on", choices=_SEVERITIES, default="medium", metavar="SEVERITY",
        help="exit with 1 for a finding at or above this (note, low, medium, high, critical; default: medium)",
    )  # fmt: skip
    parser.add_argument("--name", default="", metavar="ORG/NAME", help="the name that is claimed for the model")
    parser.add_argument(
        "--ignore-file", metavar="FILE",
        help="findings to set aside (default: .assayignore.toml here, unless it lies in what is scanned)",
    )  # fmt: skip
    parser.add_argument("--hub-url", metavar="URL", help="hub of hf:// references (default: $ASSAY_HUB_URL)")
    parser.add_argument("--no-cache", action="store_true", help="neither use nor keep results of earlier scans")
    parser.epilog = (
        "exit status: 0 everything read and nothing at or above --fail-on; 1 findings; 2 no such finding, but\n"
        "something unread, inconclusive or in error; 3 usage or environment. Each directory is one snapshot; files\n"
        "given together are one more."
    )


def run(args: argparse.Namespace) -> int:
    """Scan, show, and return the exit status."""
    from assay.core.finding import Severity  # noqa: PLC0415
    from assay.inspections.scan import scan  # noqa: PLC0415

    paths = [path for path in args.paths if not path.startswith(_HUB)]
    references = [path for path in args.paths if path.startswith(_HUB)]
    with progress_bar(args) as progress:
        options: dict[str, Any] = {
            "name": args.name,
            "progress": progress,
            "standard_input": getattr(sys.stdin, "buffer", None),
            "cache_folder": None if args.no_cache else _cache_folder(),
            "processes": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        }
        if references:
            from assay.cli.scan_hub import fetched  # noqa: PLC0415

            with fetched(references, args, progress) as jobs:
                report = scan(paths, jobs=jobs, **options)
        else:
            report = scan(paths, **options)
    _set_aside(report, paths, args)
    _show(report, args)
    return report.exit_status(Severity.parse(args.fail_on))


def _cache_folder() -> Path:
    """`$ASSAY_CACHE_DIR`, else the user's cache directory."""
    from pathlib import Path  # noqa: PLC0415

    if folder := os.environ.get("ASSAY_CACHE_DIR"):
        return Path(folder)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"  # the platform's directory, without importing what knows it
    return Path(base).expanduser() / "assay" / "scan"


def _set_aside(report: Report, paths: list[str], args: argparse.Namespace) -> None:
    """Apply the ignore file, when there is one."""
    from pathlib import Path  # noqa: PLC0415

    if not args.ignore_file and not Path(".assayignore.toml").exists():
        return
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.inspections.ignore import apply_ignores, find_ignore_file, load_ignores  # noqa: PLC0415

    file = Path(args.ignore_file) if args.ignore_file else find_ignore_file(paths, Path.cwd())
    if file is None:
        report.remarks.append(".assayignore.toml lies in what is scanned and is not used; name it with --ignore-file")
        return
    apply_ignores(report, load_ignores(file), datetime.now(UTC).date())


def _show(report: Report, args: argparse.Namespace) -> None:
    if args.format == "json":
        from assay.inspections.report_json import to_json  # noqa: PLC0415

        print_json(to_json(report))
    elif args.format == "sarif":
        from assay.inspections.report_sarif import to_sarif  # noqa: PLC0415

        print_json(to_sarif(report))
    elif args.format == "html":
        from assay.inspections.report_html import to_html  # noqa: PLC0415

        sys.stdout.writelines(to_html(report))
    else:
        from assay.cli.scan_text import render  # noqa: PLC0415

        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        sys.stdout.writelines(render(report, quiet=args.quiet, colour=colour))
