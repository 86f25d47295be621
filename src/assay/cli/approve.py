"""`assay approve REF`: a person's approval, or a signed move of `main` or an alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.decision import add_decision_arguments, decide, person_of
from assay.core.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from assay.cli.decision import Case
    from assay.core.statement import Statement


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.epilog = "exit status: 0 kept, 3 not. Whoever asked for a model can't approve it."
    parser.add_argument("--move", metavar="NAME", help="point `main` or an alias to REF instead; signed as well")
    parser.add_argument("--break-glass", action="store_true", help="decide without a second person, loudly")
    add_decision_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Sign and hand over."""
    if args.move and args.break_glass:
        raise UsageError("a ref is moved by whoever may: there is no break-glass for it")
    return decide(args, lambda case, now: [_move(args, case, now) if args.move else _approve(args, case, now)])


def _approve(args: argparse.Namespace, case: Case, now: datetime) -> Statement:
    from assay.provenance.events import decided  # noqa: PLC0415
    from assay.registry.decisions import URGENT  # noqa: PLC0415

    reason = args.reason.removeprefix(URGENT)
    return decided(
        case.snapshot,
        name=case.name,
        decision="approve",
        person=person_of(args),
        reason=f"{URGENT}{reason}" if args.break_glass else reason,
        policy=case.policy,
        previous=case.approval,
        at=now,
    )


def _move(args: argparse.Namespace, case: Case, now: datetime) -> Statement:
    from assay.provenance.statements import ref  # noqa: PLC0415

    if not case.revision:
        raise UsageError(
            f"{case.name} was not published with these files", hint="only what is served can be pointed to"
        )
    return ref(
        case.snapshot,
        name=case.name,
        ref=args.move,
        revision=case.revision,
        previous_revision=case.points.get(args.move, ""),
        previous=case.approval,
        at=now,
        reason=args.reason,
    )
