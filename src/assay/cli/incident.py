"""`assay incident quarantine REF`: stop serving a model from the next request on, by a signed statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.decision import add_decision_arguments, decide

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = (
        "exit status: 0 kept, 3 not. Every name that serves these files answers 404 from the next request on.\n"
        "No single key lifts it: the lift is signed by a key of the role `lift` that did not sign the revocation."
    )
    parser.add_argument("action", choices=("quarantine",), help="never serve these files again, under any name")
    add_decision_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Sign and hand over."""
    from assay.provenance.statements import revoked  # noqa: PLC0415

    return decide(
        args,
        lambda case, now: [revoked(case.snapshot, name=case.name, reason=args.reason, previous=case.approval, at=now)],
    )
