"""`assay init`: the data directory, a key for each role and the trust file that believes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    add_data_argument(parser)
    parser.add_argument(
        "--passphrase", action="store_true", help="ask for a passphrase for the keys (or set ASSAY_KEY_PASSPHRASE)"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make what is not there yet; overwrite nothing."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.cli.passphrase import new_passphrase  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415
    from assay.provenance.trust import init_trust  # noqa: PLC0415

    settings = load_settings(args)
    keys = init_trust(
        settings.keys,
        settings.trust,
        lambda: new_passphrase(ask=args.passphrase),
        now=datetime.now(UTC),
    )
    encrypted = KeyRing.encrypted(settings.keys)
    if args.format == "json":
        made = [{"role": role, "id": key.id, "path": str(settings.keys / f"{role}.pem")} for role, key in keys.items()]
        print_json(
            {
                "schema": "assay.init/v1",
                "data": str(settings.data),
                "trust": str(settings.trust),
                "encrypted": encrypted,
                "keys": made,
            }
        )
        return 0
    print(f"data directory  {settings.data}")
    print(f"keys            {settings.keys} ({', '.join(keys)}; {'encrypted' if encrypted else 'without passphrase'})")
    print(f"trust file      {settings.trust}")
    if not args.quiet:
        print("next: assay vet PATH --as ORG/NAME; give verifiers a copy of the trust file")
    return 0
