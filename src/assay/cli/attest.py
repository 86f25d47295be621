"""`assay attest`: the signed statements about a stored model; signatures of other files and of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json, progress_bar
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse

    from assay.cli.settings import Settings
    from assay.core.statement import Statement
    from assay.gate.stored import Store, Stored
    from assay.store.index import StoredStatement


ACTIONS = ("list", "show", "verify", "export", "sign", "verify-file")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    from assay.provenance.keys import ALL_ROLES  # noqa: PLC0415

    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument(
        "reference",
        metavar="REF|FILE|IMAGE",
        help="ORG/NAME[@REV] in the store; or a file or NAME@sha256:… to sign",
    )
    parser.add_argument(
        "--kind", metavar="KIND", help="show: only statements of this kind; sign: dataset, suite, script, image or file"
    )
    parser.add_argument("--key", metavar="FILE|URI", help="sign: private key")
    parser.add_argument("--keyless", metavar="FILE", help="sign: Sigstore's client trust config, in place of a key")
    parser.add_argument("--identity-token", metavar="FILE", help="sign --keyless: OpenID Connect token")
    parser.add_argument("--role", choices=ALL_ROLES, help="sign: role of the key; verify-file: role that it must have")
    parser.add_argument("--bundle", metavar="FILE", help="sign, verify-file: default FILE.sigstore.json")
    parser.add_argument("--out", metavar="DIR", default=".assay", help="export: where to (default: .assay)")
    parser.add_argument("--trust", metavar="FILE", help="trust file (default: trust.toml in the data directory)")
    add_data_argument(parser)
    add_output_arguments(parser, ("text", "json", "html"))


def run(args: argparse.Namespace) -> int:
    """Find the model and do one thing with its statements."""
    from assay.gate.stored import find, open_store  # noqa: PLC0415

    settings = load_settings(args)
    if args.format == "html" and args.action != "show":
        from assay.core.errors import UsageError  # noqa: PLC0415

        raise UsageError("only `attest show` makes a page", hint="assay attest show REF --kind behaviour --format html")
    if args.action in {"sign", "verify-file"}:
        from assay.cli.attest_file import sign, verify_file  # noqa: PLC0415

        return sign(args, settings) if args.action == "sign" else verify_file(args, settings)
    actions = {"list": _list, "show": _show, "export": _export}
    with open_store(settings.database_url, settings.blobs_url) as store:
        if args.action == "verify":
            return _verify(args, settings, store)
        return actions[args.action](args, settings, store, find(store.catalog, args.reference))


def _verify(args: argparse.Namespace, settings: Settings, store: Store) -> int:
    from assay.cli.verify import show  # noqa: PLC0415
    from assay.gate.stored import verify_stored  # noqa: PLC0415

    with progress_bar(args) as progress:
        report = verify_stored(store, args.reference, settings.trust, progress=progress)
    if args.format == "json":
        print_json(report.to_json())
    else:
        show(report, args.reference, quiet=args.quiet)
    return report.exit_code


def _described(one: StoredStatement) -> dict[str, Any]:
    statement = one.envelope.statement()
    return {
        "kind": one.kind,
        "role": one.role,
        "digest": str(one.envelope.digest),
        "predicate_type": statement.predicate_type,
        "key_ids": [signature.keyid for signature in one.envelope.signatures],
        "subjects": len(statement.subjects),
    }


def _document(found: Stored, statements: list[dict[str, Any]]) -> dict[str, Any]:
    subject = {"id": str(found.snapshot.id), "origin": found.snapshot.origin.uri, "name": found.name}
    return {"schema": "assay.attest/v1", "subject": subject, "revision": found.revision, "statements": statements}


def _list(args: argparse.Namespace, _settings: Settings, _store: Store, found: Stored) -> int:
    from assay.core.escape import printable  # noqa: PLC0415

    statements = [_described(one) for one in found.statements]
    if args.format == "json":
        print_json(_document(found, statements))
        return 0
    for one in statements:
        print(f"{one['kind']:<10} {one['role']:<10} {one['digest']}  {printable(one['predicate_type'])}")
    if not args.quiet:
        print(f"{len(statements)} statements about {printable(found.name)} {found.snapshot.id}")
    return 0


def _page(statement: Statement, found: Stored) -> int:
    """What the signed statement `behaviour` reports, as the page of `assay probe`."""
    import sys  # noqa: PLC0415

    from assay.behaviour.records import Attested  # noqa: PLC0415
    from assay.behaviour.report import to_html  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415

    report = statement.predicate.get("report")
    if not isinstance(report, dict) or "probes" not in report:
        raise UsageError("only what probes measured is shown as a page", hint="--kind behaviour --format html")
    sys.stdout.writelines(to_html(Attested.from_json(report), found.name))
    return 0


def _show(args: argparse.Namespace, _settings: Settings, _store: Store, found: Stored) -> int:
    from assay.core.errors import UsageError  # noqa: PLC0415

    wanted = [one for one in found.statements if args.kind in {None, one.kind}]
    if not wanted:
        raise UsageError(f"no {args.kind or ''} statement about {found.name}", hint="see `assay attest list`")
    if args.format == "html":
        return _page(wanted[-1].envelope.statement(), found)
    # JSON in both formats, ASCII only: a statement may quote the model.
    print_json(
        _document(found, [_described(one) | {"statement": one.envelope.statement().to_json()} for one in wanted])
    )
    return 0


def _export(args: argparse.Namespace, settings: Settings, store: Store, found: Stored) -> int:
    from datetime import UTC, datetime  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.core.errors import TrustError  # noqa: PLC0415
    from assay.gate.export import environment, export, sign_view  # noqa: PLC0415
    from assay.provenance.keys import KeyRing, read_public_keys  # noqa: PLC0415

    note = "signed now by the registry" if found.refused is None else f"not served: {found.refused}"
    further = []
    try:
        ring = KeyRing.load(settings.keys, read_passphrase(settings.keys), roles=["registry"])
        ring.tsa_url = settings.tsa_url
        if view := sign_view(store, found, ring, now=datetime.now(UTC)):
            further.append(view)
    except TrustError as error:
        note = f"none of today: {error}"
    proofs, proven = _proofs(settings, store, found)
    files = export(
        found, further, read_public_keys(settings.keys), Path(args.out), proofs, environment=environment(store, found)
    )
    if args.format == "json":
        described = [_described(one) for one in (*found.statements, *further)]
        print_json(_document(found, described) | {"out": args.out, "files": files, "view": note, "proofs": proven})
        return 0
    from assay.core.escape import printable  # noqa: PLC0415

    print(f"{len(files)} files about {printable(found.name)} in {args.out}")
    if not args.quiet:
        print(f"view of the registry: {printable(note)}")
        print(f"proofs that the log holds them: {printable(proven)}")
    return 0


def _proofs(settings: Settings, store: Store, found: Stored) -> tuple[dict[str, bytes], str]:
    """Where the log's key is: a checkpoint of now, and a proof for each statement; and a word about it."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.core.errors import TrustError  # noqa: PLC0415
    from assay.gate.logged import proof_files, proofs_of  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    try:
        key = KeyRing.load(settings.keys, read_passphrase(settings.keys), roles=["log"]).key("log")
    except TrustError as error:
        key, why = None, f" (as far as the newest checkpoint reaches: {error})"
    else:
        why = ""
    proofs = proofs_of(store.catalog.index, found, key, datetime.now(UTC))
    return proof_files(proofs), f"{len(proofs)} of {len(found.statements)}{why}"
