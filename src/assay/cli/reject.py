"""`assay reject REF`: a person's rejection. It holds from the next request on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.decision import add_decision_arguments, decide, person_of

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = "exit status: 0 kept, 3 not. The registry refuses the model from the next request on."
    add_decision_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Sign and hand over."""
    from assay.provenance.events import decided  # noqa: PLC0415

    return decide(
        args,
        lambda case, now: [
            decided(
                case.snapshot,
                name=case.name,
                decision="reject",
                person=person_of(args),
                reason=args.reason,
                policy=case.policy,
                previous=case.approval,
                at=now,
            )
        ],
    )
