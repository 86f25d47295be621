"""`assay attest sign|verify-file`: data sets, suites, scripts and container images, signed and verified by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.cli.output import print_json

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from assay.cli.settings import Settings
    from assay.core.digest import Digest
    from assay.core.statement import Statement


def sign(args: argparse.Namespace, settings: Settings) -> int:
    """Sign one file or image; write `<name>.sigstore.json`."""
    import json  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.provenance.artifacts import artifact  # noqa: PLC0415

    if bool(args.key) is bool(args.keyless) or bool(args.keyless) is not bool(args.identity_token):
        hint = "--key FILE, made by `assay key create publisher`; or --keyless CONFIG with --identity-token FILE"
        raise UsageError("with which key?", hint=hint)
    del settings
    name, digest = _subject(args.reference)
    role = args.role or "publisher"
    bundle, signer = _signed(args, role, artifact(name, digest, kind=args.kind or "file", at=datetime.now(UTC)))
    target = _bundle(args, name)
    target.write_text(json.dumps(bundle, indent=1) + "\n", encoding="utf-8")
    if args.format == "json":
        document = {"name": name, "digest": str(digest), "key": signer, "bundle": str(target)}
        print_json({"schema": "assay.attest-sign/v1"} | document)
    else:
        print(f"signed {digest} as {role}: {target}")
    return 0


def _signed(args: argparse.Namespace, role: str, statement: Statement) -> tuple[dict[str, Any], str]:
    """The bundle, and who signed it: the id of the key; empty for a key of a moment."""
    from pathlib import Path  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.provenance import dsse  # noqa: PLC0415
    from assay.provenance.backends import open_key  # noqa: PLC0415
    from assay.provenance.bundle import to_bundle  # noqa: PLC0415
    from assay.provenance.keyless import sign_keyless  # noqa: PLC0415

    if args.keyless:
        config, token = (_text(path) for path in (args.keyless, args.identity_token))
        return sign_keyless(statement, config, token.strip()), ""
    key = open_key(args.key, role, read_passphrase(Path(args.key).parent))
    envelope = dsse.sign(statement, key)
    return to_bundle(envelope, key.public), key.public.id


def verify_file(args: argparse.Namespace, settings: Settings) -> int:
    """Verify one file or image against its bundle and the trust file; 1 when it does not hold."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.core.errors import TrustError, UsageError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.provenance.artifacts import ARTIFACT_ROLES, check_artifact  # noqa: PLC0415
    from assay.provenance.origin import read_chains, read_values  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415

    name, digest = _subject(args.reference)
    bundle, trust = _bundle(args, name), Trust.load(settings.trust)
    if not bundle.is_file():
        raise UsageError(f"no signature {bundle}", hint="give --bundle FILE")
    roles = (args.role,) if args.role else ARTIFACT_ROLES
    key, problem, now = "", "it holds no signature", datetime.now(UTC)
    try:
        trust = trust.with_certificates(read_chains(bundle.read_bytes()), now)
        for value in read_values(bundle.read_bytes()):
            key = check_artifact(value, digest, trust, roles, now)
    except TrustError as error:
        key, problem = "", printable(str(error))
    if args.format == "json":
        document = {"ok": bool(key), "digest": str(digest), "key": key, "detail": "" if key else problem}
        print_json({"schema": "assay.attest-verify-file/v1"} | document)
    else:
        who = printable(key if ":" in key else key[:16])
        print(f"verified: {digest}, signed by {who}" if key else f"NOT verified: {problem}")
    return 0 if key else 1


def _text(name: str) -> str:
    from pathlib import Path  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415

    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read {name}: {error}") from error


def _subject(reference: str) -> tuple[str, Digest]:
    import hashlib  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from assay.core.digest import Digest  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.provenance.artifacts import image_digest  # noqa: PLC0415

    image = image_digest(reference)
    if image is not None:
        return reference.partition("@")[0], image
    path = Path(reference)
    if not path.is_file():
        hint = "give a file, or an image as HOST/NAME@sha256:…; a tag is no digest"
        raise UsageError(f"no file {reference}", hint=hint)
    with path.open("rb") as stream:
        return path.name, Digest(hashlib.file_digest(stream, "sha256").hexdigest())


def _bundle(args: argparse.Namespace, name: str) -> Path:
    from pathlib import Path  # noqa: PLC0415

    if args.bundle:
        return Path(args.bundle)
    path = Path(args.reference)
    beside = path if path.is_file() else Path(name.rpartition("/")[2])
    return beside.with_name(f"{beside.name}.sigstore.json")
