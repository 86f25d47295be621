"""`assay revoke` and `assay lift`: take an admitted model out of use by a signed statement, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse

    from assay.cli.settings import Settings
    from assay.core.statement import Statement
    from assay.gate.stored import Stored
    from assay.provenance.keys import SigningKey
    from assay.store.index import StoredStatement


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `assay revoke`."""
    parser.epilog = "exit status: 0 revoked, 3 error. A revocation stands until another person lifts it (`assay lift`)."
    _arguments(parser, "private key of a reviewer (default: the approver's key in the data directory)")


def configure_lift(parser: argparse.ArgumentParser) -> None:
    """Arguments of `assay lift`."""
    parser.epilog = "exit status: 0 lifted, 1 not by this key, 3 error. Who revoked can't lift it alone."
    _arguments(parser, "private key of the role lift (`assay key create lift`)")


def _arguments(parser: argparse.ArgumentParser, key: str) -> None:
    parser.add_argument("reference", metavar="REF", help="ORG/NAME[@REV] in the store")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why, for people")
    parser.add_argument("--key", metavar="FILE", help=key)
    parser.add_argument("--trust", metavar="FILE", help="trust file (default: trust.toml in the data directory)")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Revoke the snapshot, under every name."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.core.errors import TrustError  # noqa: PLC0415
    from assay.gate.stored import find, open_store  # noqa: PLC0415
    from assay.provenance.statements import SIGNERS, revoked, time_of  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415

    settings, now = load_settings(args), datetime.now(UTC)
    with open_store(settings.database_url, settings.blobs_url) as store:
        found = find(store.catalog, args.reference)
        approval = next((one for one in reversed(found.statements) if one.kind == "approved"), None)
        if approval is None:
            raise TrustError(f"there is no verdict about {found.name} to undo")
        key = _key(args, settings, "reviewer" if args.key else "approver")
        statement = revoked(found.snapshot, name=found.name, reason=args.reason, previous=approval.envelope, at=now)
        signed = _signed("revoked", statement, key)
        Trust.load(settings.trust).signer(signed.envelope, SIGNERS["revoked"], time_of(statement))
        store.catalog.revoke(found.snapshot.id, args.reason, signed, now)
    _show(args, "revoked", found, signed)
    return 0


def run_lift(args: argparse.Namespace) -> int:
    """Lift every revocation of the snapshot that stands."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.core.errors import TrustError, UsageError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.gate.stored import find, open_store  # noqa: PLC0415
    from assay.provenance.events import lifted  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415
    from assay.registry.lifts import lift, standing  # noqa: PLC0415

    if not args.key:
        raise UsageError("a lift is signed with a key of its own", hint="--key FILE, made by `assay key create lift`")
    settings, now = load_settings(args), datetime.now(UTC)
    with open_store(settings.database_url, settings.blobs_url) as store:
        found = find(store.catalog, args.reference)
        revocations = standing(store.catalog.index, found.snapshot.id)
        if not revocations:
            raise UsageError(f"{found.name} is not revoked")
        key, trust = _key(args, settings, "lift"), Trust.load(settings.trust)
        for one in revocations:
            said = lifted(found.snapshot, name=found.name, reason=args.reason, revocation=one.envelope, at=now)
            signed = _signed("lifted", said, key)
            try:
                lift(store.catalog.index, found.snapshot.id, signed, reason=args.reason, trust=trust, now=now)
            except TrustError as error:
                print(f"not lifted: {printable(str(error))}")
                return 1
    _show(args, "lifted", found, signed)
    return 0


def _key(args: argparse.Namespace, settings: Settings, role: str) -> SigningKey:
    from pathlib import Path  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.provenance.backends import open_key  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    if args.key:
        return open_key(args.key, role, read_passphrase(Path(args.key).parent))
    return KeyRing.load(settings.keys, read_passphrase(settings.keys), roles=(role,)).key(role)


def _signed(kind: str, statement: Statement, key: SigningKey) -> StoredStatement:
    from assay.provenance import dsse  # noqa: PLC0415
    from assay.provenance.bundle import to_bundle  # noqa: PLC0415
    from assay.store.index import StoredStatement  # noqa: PLC0415

    envelope = dsse.sign(statement, key)
    return StoredStatement(kind, key.role, envelope, to_bundle(envelope, key.public))


def _show(args: argparse.Namespace, word: str, found: Stored, signed: StoredStatement) -> None:
    from assay.core.escape import printable  # noqa: PLC0415

    document = {"name": found.name, "snapshot": str(found.snapshot.id), "statement": str(signed.envelope.digest)}
    if args.format == "json":
        print_json({"schema": f"assay.{word}/v1"} | document)
    else:
        print(f"{word} {printable(found.name)} {found.snapshot.id}")
