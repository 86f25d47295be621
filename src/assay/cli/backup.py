"""`assay backup`: a copy of the registry that `assay restore` makes a registry of again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from assay.cli.output import add_output_arguments, print_json, progress_bar
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse

MANIFEST: Final = "backup.json"
INDEX, WORKFLOW, BLOBS, POLICY, TRUST, KEYS = (
    "index.sqlite",
    "workflow.sqlite",
    "blobs",
    "policy.toml",
    "trust.toml",
    "keys",
)
_EPILOG = """\
exit status: 0 done, 3 error

The registry may work on meanwhile. Repeated into the same directory, only new blobs are copied, each verified. Private
keys are left out unless --with-keys asks for them. An index on PostgreSQL is copied by pg_dump first, and then this
command with --without-database copies the rest: docs/howto/operate.md.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("directory", metavar="DIR", help="where the copy goes; made when missing")
    parser.add_argument("--with-keys", action="store_true", help="the private keys too: guard the copy like them")
    parser.add_argument("--without-database", action="store_true", help="blobs, policy and trust file alone")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Copy."""
    import json  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.core.verdict import format_time  # noqa: PLC0415
    from assay.store.backup import copy_blobs, copy_file  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415

    settings, target = load_settings(args), Path(args.directory)
    if target.resolve() == settings.data.resolve():
        raise UsageError("a backup goes elsewhere than the data directory")
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).exists():
        raise UsageError(f"{target} is not empty and no backup", hint="name a new directory")
    target.mkdir(parents=True, exist_ok=True)
    head = None if args.without_database else _databases(settings.database_url, settings.workflow_url, target)
    (target / MANIFEST).touch()  # what comes next may be interrupted, and is carried on
    with progress_bar(args) as advance:
        count, copied, size = copy_blobs(
            open_blobs(settings.blobs_url), open_blobs(str(target / BLOBS)), advance or (lambda *_: None)
        )
    if settings.policy is not None:
        copy_file(settings.policy, target / POLICY)
    copy_file(settings.trust, target / TRUST)
    if args.with_keys and settings.keys.is_dir():
        for path in sorted(settings.keys.iterdir()):
            copy_file(path, target / KEYS / path.name, private=True)
    said = {"made_at": format_time(datetime.now(UTC)), "log": head, "blobs": count}
    (target / MANIFEST).write_text(json.dumps({"schema": "assay.backup/v1", **said}, indent=1) + "\n")
    if args.format == "json":
        print_json({"schema": "assay.backup/v1", **said, "copied": copied, "bytes": size})
    elif not args.quiet:
        print(f"{target}: {count} blobs ({copied} new, {size / 1e6:.1f} MB); log {head or 'not copied'}")
    return 0


def _databases(index_url: str, workflow_url: str, target: Path) -> str:
    """Copy workflows and index; the head of the copied log, as `SEQ:HASH`."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.store.backup import copy_database  # noqa: PLC0415

    paths = {}
    for name, url in ((WORKFLOW, workflow_url), (INDEX, index_url)):
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            raise UsageError("this database is copied by pg_dump", hint="then run this with --without-database")
        paths[name] = Path(parsed.database or "")
    if not paths[INDEX].exists():
        raise UsageError(f"no index at {paths[INDEX]}", hint="name the data directory with --data")
    for name, path in paths.items():
        if path.exists():
            copy_database(path, target / name)
    return log_head(target / INDEX)


def log_head(path: Path) -> str:
    """Head of the log in a SQLite index, as `SEQ:HASH`."""
    from assay.store import log  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    index = Index.open(f"sqlite:///{path}")
    try:
        with index.reading() as tx:
            head = log.head(tx)
    finally:
        index.close()
    return f"{head.seq}:{head.hash}"
