"""`assay evaluate MODEL --suite FILE`: re-run an evaluation in the sandbox and hold the claims against it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json, progress_bar
from assay.cli.settings import add_data_argument, add_runtime_argument, load_settings, runtime_layers

if TYPE_CHECKING:
    import argparse

    from assay.evaluation.claims import Claim
    from assay.evaluation.evaluate import Evaluation
    from assay.evaluation.scripts import ScriptRecorder
    from assay.evaluation.signed import Signed
    from assay.evaluation.suite import Suite

SCRIPT = "evaluation-script-attempt"
EXIT_CODES = {"holds": 0, "refuted": 1, "unverifiable": 2}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="folder of the model")
    parser.add_argument("--suite", action="append", default=[], metavar="FILE", help="suite.toml; may be given again")
    parser.add_argument("--claims", metavar="FILE", help="claims to check, instead of those in the model's own files")
    parser.add_argument(
        "--replay", metavar="EVIDENCE", help="repeat what this JSON output records, and compare the measurements"
    )
    parser.add_argument(
        "--record-script", action="append", default=[], metavar="PATH",
        help="run this evaluation script of the model's author in the sandbox and record what it tries; "
        "what it says counts for nothing; may be given again",
    )  # fmt: skip
    parser.add_argument("--signed", action="store_true", help="refuse a suite that no trusted key signed")
    parser.add_argument("--trust", metavar="FILE", help="trust file (default: trust.toml in the data directory)")
    add_runtime_argument(parser)
    add_data_argument(parser)
    add_output_arguments(parser)
    parser.epilog = (
        "exit status: 0 every claim holds; 1 a claim is refuted; 2 could not tell (no claim, no data set named, not\n"
        "measured by a suite); 3 error. With --replay: 0 the same numbers; 1 others; 2 could not be measured again."
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, show, and return the exit status."""
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.evaluation.evaluate import evaluate  # noqa: PLC0415
    from assay.evaluation.guest import Runner  # noqa: PLC0415
    from assay.evaluation.suite import load_suite  # noqa: PLC0415
    from assay.store.folder import folder_subject  # noqa: PLC0415

    if not args.model or not (args.suite or args.record_script):
        raise UsageError("what is to be evaluated, and by what?", hint="assay evaluate MODEL --suite suite.toml")
    suites = [load_suite(Path(path)) for path in args.suite]
    if args.replay:
        return _replay(args, suites)
    claims = _claims(args)
    signed = _signed(args, suites)
    scripts = _scripts(args)
    with progress_bar(args) as progress, Runner(layers=runtime_layers(load_settings(args))) as runner:
        subject = folder_subject(Path(args.model))
        result = evaluate(subject, suites, claims, progress, runner=runner, signed=signed, scripts=scripts)
    if args.format == "json":
        print_json(_document(result, subject.snapshot.origin.uri))
    else:
        from assay.cli.evaluate_text import render  # noqa: PLC0415

        sys.stdout.writelines(render(result, quiet=args.quiet))
    return EXIT_CODES[result.outcome]


def _signed(args: argparse.Namespace, suites: list[Suite]) -> dict[str, Signed]:
    """Who signed each suite, by its digest; refused with --signed when nobody trusted did."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.core.errors import TrustError  # noqa: PLC0415
    from assay.evaluation.signed import Signatures  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415

    path = Path(args.trust) if args.trust else load_settings(args).trust
    trust = None
    try:
        trust = Trust.load(path) if args.trust or path.exists() else None
    except TrustError:
        if args.trust or args.signed:
            raise  # asked for; otherwise nothing counts as signed, which is said
    check = Signatures(trust, datetime.now(UTC))
    found = {str(suite.digest): check.of(Path(name), suite) for name, suite in zip(args.suite, suites, strict=True)}
    for suite in suites:
        if args.signed and not found[str(suite.digest)].key:
            raise TrustError(f"suite {suite.name}: {found[str(suite.digest)].reason}", hint="see `assay suite sign`")
    return found


def _scripts(args: argparse.Namespace) -> ScriptRecorder | None:
    """Those named: of the model where they lie in its folder, beside it otherwise."""
    if not args.record_script:
        return None
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.evaluation.scripts import ScriptRecorder  # noqa: PLC0415

    root = Path(args.model).resolve()
    own, outside = [], []
    for path in (Path(name) for name in args.record_script):
        if path.suffix != ".py" or not path.is_file():
            raise UsageError(f"no Python program: {path}", hint="name the script's file")
        place = path.resolve()
        if place.is_relative_to(root):
            own.append(place.relative_to(root).as_posix())
        else:
            outside.append(path)
    return ScriptRecorder(runtime_layers(load_settings(args)), only=own, outside=outside)


def _claims(args: argparse.Namespace) -> list[Claim] | None:
    if not args.claims:
        return None
    from assay.evaluation.reading import read_claims_file  # noqa: PLC0415

    return read_claims_file(Path(args.claims))


def _document(result: Evaluation, origin: str) -> dict[str, Any]:
    evidence = result.evidence
    reasons = [{"clause": "claim-refuted", "text": f.message} for f in evidence.findings if f.rule == "claim-refuted"]
    reasons += [{"clause": f.rule, "text": f.message} for f in evidence.findings if f.rule == SCRIPT and f.severity > 0]
    reasons += [{"clause": "suite-failed", "text": f"{name}: {why}"} for name, why in result.failed]
    if result.outcome == "holds":
        reasons = [
            {"clause": "claims-hold", "text": "every claim lies within its measurement's interval and tolerance"}
        ]
    elif not reasons:
        reasons = [{"clause": "claim-unverifiable", "text": _why_not(result)}]
    return {
        "schema": "assay.evaluate/v1",
        "subject": {"id": str(evidence.subject), "origin": origin},
        "outcome": result.outcome,
        "reasons": reasons,
        "evidence": [evidence.to_json()],
    }


def _why_not(result: Evaluation) -> str:
    told = [line for line in result.comparisons if line.claim is not None and line.word.value == "unverifiable"]
    return f"{told[0].claim.written}: {told[0].reason}" if told and told[0].claim else "nothing is claimed"


def _replay(args: argparse.Namespace, suites: list[Any]) -> int:
    from assay.evaluation.guest import Runner  # noqa: PLC0415
    from assay.evaluation.replay import replay  # noqa: PLC0415

    with progress_bar(args) as progress, Runner(layers=runtime_layers(load_settings(args))) as runner:
        report = replay(Path(args.replay), Path(args.model), suites, progress, runner)
    if args.format == "json":
        print_json(report.to_json())
    else:
        sys.stdout.writelines(report.lines())
    return report.exit_status
