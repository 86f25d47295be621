"""`assay bom REF`, `assay bom find …`, `assay bom import FILE`: the bills of materials and their inventory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from assay.cli.output import print_json
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse

    from assay.cli.settings import Settings
    from assay.provenance.bom.record import Record
    from assay.registry.inventory import Entry

FORMATS = ("cyclonedx", "spdx", "json", "text")
MOST_BYTES = 64 << 20  # of an imported file


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = (
        "find: everything given must fit; text is compared without case. --base finds at any depth.\n"
        "A name that is `find` or `import` alone is written with its owner: org/find."
    )
    parser.add_argument("what", metavar="REF|find|import", help="ORG/NAME[@REV] in the store, or what to do")
    parser.add_argument("file", nargs="?", metavar="FILE", help="import: CycloneDX JSON, SPDX 3 JSON-LD or SPDX 2 JSON")
    parser.add_argument("--format", choices=FORMATS, help="of a model: cyclonedx (default); of find and import: text")
    parser.add_argument("--spec-version", choices=("1.6", "1.7"), default="1.6", help="of CycloneDX (default: 1.6)")
    parser.add_argument("--environment", action="store_true", help="of a model: of what its evaluation ran in")
    parser.add_argument("--out", metavar="FILE", help="write the document there")
    for key, text in _QUERY.items():
        parser.add_argument(f"--{key}", metavar="TEXT", default="", help=f"find: {text}")
    parser.add_argument(
        "--all", action="store_true", help="find: also those that a newer one of the same name replaced"
    )
    parser.add_argument("--quiet", action="store_true", help="only the result")
    add_data_argument(parser)


_QUERY = {
    "hash": "SHA-256 of a manifest, a file, a base's file, or of the bill of materials itself",
    "name": "name of the model",
    "publisher": "publisher",
    "licence": "licence, concluded or else declared",
    "base": "a model that it was made from, at any depth",
    "dataset": "data set that it was trained or evaluated on",
    "tokenizer": "class of the tokenizer, or SHA-256 of one of its files",
}


def run(args: argparse.Namespace) -> int:
    """Do one of the three."""
    from assay.core.errors import UsageError  # noqa: PLC0415

    settings = load_settings(args)
    if args.what == "import":
        if not args.file:
            raise UsageError("what is to be imported?", hint="assay bom import FILE")
        return _import(args, settings)
    if args.file:
        raise UsageError(f"one thing at a time, not {args.file!r} too", hint="see `assay bom --help`")
    if args.what == "find":
        return _find(args, settings)
    return _environment(args, settings) if args.environment else _show(args, settings)


def _environment(args: argparse.Namespace, settings: Settings) -> int:
    """The document whose digest the signed evaluation names."""
    import json  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.gate.export import environment  # noqa: PLC0415
    from assay.gate.stored import find, open_store  # noqa: PLC0415

    with open_store(settings.database_url, settings.blobs_url) as store:
        found = environment(store, find(store.catalog, args.what))
    if found is None:
        raise UsageError(f"{args.what} was not evaluated here", hint="see docs/howto/evaluate.md")
    _write(args, json.loads(found))
    return 0


def _show(args: argparse.Namespace, settings: Settings) -> int:
    from assay.provenance.bom.cyclonedx import cyclonedx  # noqa: PLC0415
    from assay.provenance.bom.spdx import spdx  # noqa: PLC0415
    from assay.provenance.bom.validate import check_cyclonedx, check_spdx  # noqa: PLC0415

    record = _record(args, settings)
    if args.format == "text":
        _table(record, quiet=args.quiet)
        return 0
    if args.format == "json":
        document = record.to_json()
    elif args.format == "spdx":
        document = spdx(record)
        check_spdx(document)
    else:
        document = cyclonedx(record, args.spec_version)
        check_cyclonedx(document)
    _write(args, document)
    return 0


def _record(args: argparse.Namespace, settings: Settings) -> Record:
    """The record that was made when the model was vetted under this name; for older admissions, one made now."""
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.gate.stored import find, open_store  # noqa: PLC0415
    from assay.provenance.bom.build import build  # noqa: PLC0415
    from assay.registry.inventory import Inventory, Query  # noqa: PLC0415
    from assay.registry.inventory_entries import record_of  # noqa: PLC0415

    with open_store(settings.database_url, settings.blobs_url) as store:
        found = find(store.catalog, args.what)
        index = store.catalog.index
        asked = Query(hash=found.snapshot.id.hex, name=found.name, everything=True)
        entries = [one for one in Inventory(index).find(asked) if one.snapshot == found.snapshot.id.hex]
        if entries:
            return record_of(entries[0])
        verdict = index.latest_verdict(found.snapshot.id)
        if verdict is None:
            raise UsageError(f"{found.name} was never judged here", hint="vet it with `assay vet`")
        evidence = [one for digest in verdict.evidence if (one := index.get_evidence(digest)) is not None]
        return build(found.snapshot, evidence, verdict, name=found.name)


def _write(args: argparse.Namespace, document: dict[str, Any]) -> None:
    if not args.out:
        print_json(document)
        return
    import json  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    Path(args.out).write_text(json.dumps(document, indent=2, ensure_ascii=True) + "\n", "utf-8")
    if not args.quiet:
        sys.stderr.write(f"assay: written to {args.out}\n")


def _table(record: Record, *, quiet: bool) -> None:
    from assay.core.canonical import canonical_json  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415

    print(f"{printable(record.name)} sha256:{record.snapshot}: {record.decision}")
    print(record.summary())
    if quiet:
        return
    for name, one in record.fields.items():
        value = "" if one.value is None else one.value
        text = value if isinstance(value, str) else canonical_json(value).decode()
        print(f"{one.standing:<9} {name:<23} {printable(text, limit=120)} ({printable(one.source, limit=120)})")


def _find(args: argparse.Namespace, settings: Settings) -> int:
    from assay.gate.stored import open_store  # noqa: PLC0415
    from assay.registry.inventory import Inventory, Query  # noqa: PLC0415

    query = Query(**{key: getattr(args, key) for key in _QUERY}, everything=args.all)
    with open_store(settings.database_url, settings.blobs_url) as store:
        entries = Inventory(store.catalog.index).find(query)
    asked = {key: getattr(args, key) for key in _QUERY if getattr(args, key)}
    if args.format == "json":
        document = {"schema": "assay.bom-find/v1", "query": asked, "found": [one.to_json() for one in entries]}
        print_json(document)
        return 0
    _entries(entries, quiet=args.quiet)
    return 0


def _entries(entries: tuple[Entry, ...], *, quiet: bool) -> None:
    from assay.core.escape import printable  # noqa: PLC0415

    for one in entries:
        digest, licence = one.snapshot or one.digest, printable(one.licence or "-", limit=30)
        summary = printable(str(one.body.get("summary", "")), limit=80)
        print(f"{one.kind:<9} {printable(one.name, limit=60):<40} {licence:<14} {digest[:16]} {summary}".rstrip())
    if not quiet:
        print(f"{len(entries)} found")


def _import(args: argparse.Namespace, settings: Settings) -> int:
    from datetime import UTC, datetime  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from assay.core.digest import Digest  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.core.limits import Limits  # noqa: PLC0415
    from assay.formats.json_text import read_json  # noqa: PLC0415
    from assay.provenance.bom.foreign import read_foreign  # noqa: PLC0415
    from assay.registry.inventory import Inventory  # noqa: PLC0415
    from assay.registry.inventory_entries import entry_of_foreign  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    if not settings.data.is_dir():
        raise UsageError(f"there is no data directory at {settings.data}", hint="run `assay init` first")
    with Path(args.file).open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageError(f"{args.file} is longer than {MOST_BYTES} bytes", hint="split it")
    foreign = read_foreign(read_json(data, depth=Limits().json_depth).value)
    entry = entry_of_foreign(foreign, Digest.of(data))
    index = Index.open(settings.database_url)
    try:
        new = Inventory(index).put(entry, datetime.now(UTC))
    finally:
        index.close()
    if args.format == "json":
        print_json({"schema": "assay.bom-import/v1", "new": new, "entry": entry.to_json()})
    else:
        known = "" if new else " (it was known already)"
        print(f"{printable(entry.name)}: {foreign.kind} {printable(foreign.version)}, {entry.body['summary']}{known}")
    return 0
