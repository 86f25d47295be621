"""`assay log verify`: the append-only log is whole, and the index says what the log recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXIT_WHOLE = 0
EXIT_NOT_WHOLE = 1

_EPILOG = """\
exit status: 0 whole, 1 not whole, 3 error

The chain shows entries that were edited, removed or put in another order. An end that was cut off shows only against a
head noted elsewhere: keep the one that is printed, and give it with --head next time.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `assay log`."""
    from assay.cli.output import add_output_arguments  # noqa: PLC0415
    from assay.cli.settings import add_data_argument  # noqa: PLC0415

    parser.epilog = _EPILOG
    parser.add_argument("action", choices=["verify"], help="check the log from its first entry to its last")
    parser.add_argument(
        "--head", metavar="SEQ:HASH", help="end of the log as it was noted earlier: must still be in it"
    )
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Check the chain first; rows are compared with a log that is whole."""
    from pathlib import Path  # noqa: PLC0415

    from assay.cli.output import print_json  # noqa: PLC0415
    from assay.cli.settings import load_settings  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.registry.audit import audit  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415
    from assay.store.log import LogHead  # noqa: PLC0415

    settings = load_settings(args)
    known = LogHead.parse(args.head) if args.head else None
    file = settings.database_url.removeprefix("sqlite:///")
    if file != settings.database_url and not Path(file).exists():
        raise UsageError(f"no index at {file}", hint="give --data DIR, or run `assay init` first")
    index = Index.open(settings.database_url)
    check = index.verify_log(known)
    problems = (check.problem,) if check.problem else audit(index)
    index.close()
    if args.format == "json":
        print_json(
            {
                "schema": "assay.log-verify/v1",
                "ok": not problems,
                "entries": check.entries,
                "head": str(check.head),
                "problems": list(problems),
            }
        )
    elif problems:
        print("The log is NOT whole:")
        for problem in problems:
            print(f"  {printable(problem)}")
    else:
        print(f"The log is whole: {check.entries} entries, head {check.head}")
    return EXIT_NOT_WHOLE if problems else EXIT_WHOLE
