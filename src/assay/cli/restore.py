"""`assay restore`: a registry out of a copy that `assay backup` made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json, progress_bar
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse

    from assay.cli.settings import Settings

EXIT_WHOLE = 0
EXIT_NOT_WHOLE = 1
_EPILOG = """\
exit status: 0 restored, and its log is whole, 1 its log is not, 3 error

Nothing that is there is overwritten. Interrupted, it carries on when it is run again. A replica is made the same way: a
backup restored on another machine, again and again into a new data directory.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("directory", metavar="DIR", help="what `assay backup` made")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Copy back; verify."""
    import json  # noqa: PLC0415

    from assay.cli import backup  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.store.backup import copy_blobs  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415

    settings, source = load_settings(args), Path(args.directory)
    try:
        head = json.loads((source / backup.MANIFEST).read_text("utf-8"))["log"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{source} is no complete backup", hint="run `assay backup` again") from error
    target = settings.data / backup.INDEX
    if head and target.exists():
        raise UsageError(f"there is an index at {target}", hint="restore into a new data directory")
    settings.data.mkdir(parents=True, exist_ok=True)
    with progress_bar(args) as advance:
        blobs = open_blobs(str(source / backup.BLOBS)), open_blobs(settings.blobs_url)
        count, _, _ = copy_blobs(*blobs, advance or (lambda *_: None))
    _files(source, settings)
    problem = _databases(source, target, head) if head else None
    if args.format == "json":
        print_json({"schema": "assay.restore/v1", "blobs": count, "log": head, "problem": problem})
    elif not args.quiet or problem:
        print(f"{settings.data}: {count} blobs; the log: {problem or ('whole' if head else 'not in this backup')}")
    return EXIT_NOT_WHOLE if problem else EXIT_WHOLE


def _files(source: Path, settings: Settings) -> None:
    """Policy, trust file and keys, as far as they are in the copy and not here."""
    from assay.cli import backup  # noqa: PLC0415
    from assay.store.backup import copy_file  # noqa: PLC0415

    for name in (backup.POLICY, backup.TRUST):
        if not (settings.data / name).exists():
            copy_file(source / name, settings.data / name)
    kept = source / backup.KEYS
    for path in sorted(kept.iterdir()) if kept.is_dir() else ():
        if not (settings.keys / path.name).exists():
            copy_file(path, settings.keys / path.name, private=True)


def _databases(source: Path, target: Path, head: str) -> str | None:
    """Workflows, then the index, last of all; what is wrong with its log."""
    from assay.cli import backup  # noqa: PLC0415
    from assay.store.backup import copy_database  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415
    from assay.store.log import LogHead  # noqa: PLC0415

    if (source / backup.WORKFLOW).exists():
        copy_database(source / backup.WORKFLOW, target.with_name(backup.WORKFLOW))
    copy_database(source / backup.INDEX, target)
    index = Index.open(f"sqlite:///{target}")
    try:
        return index.verify_log(LogHead.parse(head)).problem
    finally:
        index.close()
