"""`assay suite sign|verify SUITE`: who stands behind an evaluation, and on which data."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse

    from assay.evaluation.suite import Suite


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("action", choices=("sign", "verify"), help="what to do")
    parser.add_argument("suite", metavar="SUITE", help="suite.toml; the envelope lies beside it, as SUITE.dsse.json")
    parser.add_argument("--key", metavar="FILE", help="sign: private key of a reviewer (default: the approver's key)")
    parser.add_argument("--trust", metavar="FILE", help="trust file (default: trust.toml in the data directory)")
    add_data_argument(parser)
    add_output_arguments(parser)
    parser.epilog = "exit status: 0 signed, or verified; 1 not signed by a trusted key for this suite and data; 3 error"


def run(args: argparse.Namespace) -> int:
    """Sign or verify one suite; its data is read and must be the pinned bytes."""
    from assay.evaluation.data import load_data  # noqa: PLC0415
    from assay.evaluation.suite import load_suite  # noqa: PLC0415

    suite = load_suite(Path(args.suite))
    examples = len(load_data(suite).rows)
    told = _sign(args, suite) if args.action == "sign" else _verify(args, suite)
    document: dict[str, Any] = {"schema": "assay.suite/v1", "suite": str(suite.digest), "data": str(suite.data.sha256)}
    document |= {"name": suite.name, "examples": examples} | told
    if args.format == "json":
        print_json(document)
    elif not args.quiet:
        sys.stdout.write(_line(document))
    return 0 if "key" in told else 1


def _line(document: dict[str, Any]) -> str:
    from assay.core.escape import printable  # noqa: PLC0415

    name = printable(document["name"], limit=80)
    if "key" not in document:
        return f"{name}: {printable(document['reason'], limit=300)}\n"
    return f"{name}: {document['examples']} examples, signed by key {document['key'][:12]} ({document['role']})\n"


def _sign(args: argparse.Namespace, suite: Suite) -> dict[str, Any]:
    import json  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.provenance import dsse  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415
    from assay.provenance.suites import SUFFIX, suite_statement  # noqa: PLC0415

    settings = load_settings(args)
    if args.key:
        key = KeyRing.read(Path(args.key), "reviewer", read_passphrase(settings.keys))
    else:
        key = KeyRing.load(settings.keys, read_passphrase(settings.keys), roles=("approver",)).key("approver")
    now = datetime.now(UTC).replace(microsecond=0)
    statement = suite_statement(
        suite.digest, suite.data.sha256, name=suite.name, task=suite.task, metrics=suite.metrics, at=now
    )
    path = Path(args.suite + SUFFIX)
    path.write_text(json.dumps(dsse.sign(statement, key).to_json(), indent=1) + "\n", "utf-8")
    return {"key": key.public.id, "role": key.role, "envelope": path.name}


def _verify(args: argparse.Namespace, suite: Suite) -> dict[str, Any]:
    from assay.evaluation.signed import Signatures  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415

    settings = load_settings(args)
    trust = Trust.load(Path(args.trust) if args.trust else settings.trust)
    found = Signatures(trust, datetime.now(UTC)).of(Path(args.suite), suite)
    return {"reason": found.reason} if not found.key else {"key": found.key, "role": found.role}
