"""`assay key create|list|trust|rotate|revoke`: keys, and the entries of the trust file that believe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse

    from assay.cli.settings import Settings

_EPILOG = """\
  create ROLE     a key of one's own, ROLE.pem and ROLE.pub in --out; prints the entry for a trust file
  list            what the trust file believes
  trust FILE      believe the public key in FILE for --role, from now on
  rotate ROLE     a new key for a role of the data directory; the old one counts for what it signed until now
  revoke ID       nothing that this key ever signed counts any more (first digits of the id are enough)

exit status: 0 done, 3 error. Other verifiers have copies of the trust file: hand out the new one.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    from assay.provenance.keys import ALL_ROLES  # noqa: PLC0415

    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("create", "list", "trust", "rotate", "revoke"), help="see below")
    parser.add_argument("what", nargs="?", metavar="ROLE|FILE|ID", help="see below")
    parser.add_argument("--role", action="append", choices=ALL_ROLES, default=[], help="trust: what it may sign")
    parser.add_argument("--out", metavar="DIR", default=".", help="create: where to (default: here)")
    parser.add_argument("--person", default="", help="create, trust: whose key it is; a person's decisions need it")
    parser.add_argument("--trust", metavar="FILE", help="trust file (default: trust.toml in the data directory)")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    from assay.core.errors import UsageError  # noqa: PLC0415

    if (args.what is None) is (args.action != "list"):
        raise UsageError(f"assay key {args.action}: one ROLE, FILE or ID", hint="see `assay key --help`")
    actions = {"create": _create, "list": _list, "trust": _trust, "rotate": _rotate, "revoke": _revoke}
    return actions[args.action](args, load_settings(args))


def _create(args: argparse.Namespace, _settings: Settings) -> int:
    from datetime import UTC, datetime  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from assay.cli.passphrase import new_passphrase  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.provenance.keys import ALL_ROLES, KeyRing  # noqa: PLC0415
    from assay.provenance.trust import trust_entry  # noqa: PLC0415

    if args.what not in ALL_ROLES:
        raise UsageError(f"no role {args.what!r}", hint=f"roles: {', '.join(ALL_ROLES)}")
    directory = Path(args.out)
    directory.mkdir(parents=True, exist_ok=True)
    key = KeyRing.add(directory, args.what, new_passphrase(ask=False))
    if args.format == "json":
        path = str(directory / f"{args.what}.pem")
        print_json({"schema": "assay.key/v1", "role": args.what, "id": key.id, "path": path, "pem": key.pem})
    else:
        print(trust_entry(key, [args.what], now=datetime.now(UTC), person=args.person).lstrip(), end="")
    return 0


def _list(args: argparse.Namespace, settings: Settings) -> int:
    from assay.core.verdict import format_time  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415

    keys = Trust.load(settings.trust).keys
    if args.format == "json":
        described = [
            {
                "id": key.public.id,
                "roles": sorted(key.roles),
                "not_before": format_time(key.not_before),
                "not_after": format_time(key.not_after),
                "revoked": key.revoked,
                "person": key.person,
            }
            for key in keys
        ]
        print_json({"schema": "assay.keys/v1", "keys": described})
        return 0
    for key in keys:
        state = "revoked" if key.revoked else f"{format_time(key.not_before)} to {format_time(key.not_after)}"
        print(f"{key.public.id[:16]}  {','.join(sorted(key.roles)):<12} {state}")
    return 0


def _trust(args: argparse.Namespace, settings: Settings) -> int:
    from datetime import UTC, datetime  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.provenance.keys import PublicKey  # noqa: PLC0415
    from assay.provenance.trust import trust_entry, write_trust  # noqa: PLC0415

    if not args.role:
        raise UsageError("what may the key sign?", hint="add --role ROLE")
    if not Path(args.what).is_file():
        raise UsageError(f"no file {args.what}", hint="give a public key in PEM form")
    key = PublicKey.parse(Path(args.what).read_bytes())
    entry = trust_entry(key, args.role, now=datetime.now(UTC), person=args.person)
    write_trust(settings.trust, settings.trust.read_text("utf-8") + entry)
    return _done(args, key.id, f"trusted as {', '.join(args.role)}")


def _rotate(args: argparse.Namespace, settings: Settings) -> int:
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.provenance.rotation import rotate  # noqa: PLC0415

    key = rotate(settings.keys, settings.trust, args.what, read_passphrase(settings.keys), now=datetime.now(UTC))
    return _done(args, key.id, f"signs as {args.what} from now on")


def _revoke(args: argparse.Namespace, settings: Settings) -> int:
    from assay.provenance.rotation import revoke_key  # noqa: PLC0415

    return _done(args, revoke_key(settings.trust, args.what), "revoked: nothing it ever signed counts")


def _done(args: argparse.Namespace, key: str, what: str) -> int:
    if args.format == "json":
        print_json({"schema": "assay.key/v1", "id": key, "done": what})
    else:
        print(f"{key} {what}")
    return 0
