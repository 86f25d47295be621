"""`assay probe MODEL`: search a classifier for a backdoor in its weights, in the sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_runtime_argument, load_settings, runtime_layers

if TYPE_CHECKING:
    import argparse

    from assay.behaviour.attest import Declared
    from assay.behaviour.records import Attested
    from assay.behaviour.shelf import Chosen
    from assay.core.inspector import Subject

EXIT_CODES = {"clean": 0, "found": 1, "inconclusive": 2}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="folder of the model")
    parser.add_argument("--base", metavar="MODEL", help="folder of its declared pretrained parent")
    parser.add_argument(
        "--reference", action="append", default=[], metavar="MODEL",
        help="folder of a trusted clean model of the same task, several times (default: admitted ones of the registry)",
    )  # fmt: skip
    parser.add_argument(
        "--data", metavar="FILE",
        help="labelled texts (CSV, TSV, JSON, Parquet), labelled images (folder, table, Parquet, .npz), or prompts",
    )  # fmt: skip
    parser.add_argument(
        "--kin", action="append", default=[], metavar="MODEL",
        help="folder of a model of any task that it may be made of (default: admitted ones of the registry)",
    )  # fmt: skip
    parser.add_argument(
        "--paraphraser", metavar="MODEL", help="folder of a sequence-to-sequence model that rewords texts"
    )
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="CPU seconds for the search (default: 150)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of every draw (default: 0)")
    parser.add_argument(
        "--restarts", type=int, default=1, metavar="N", help="of the search, each with its share of time"
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda", "auto"), default="cpu",
        help="where it runs (default: cpu); auto: a GPU where there is one. With it the sandbox lets its driver in",
    )  # fmt: skip
    parser.add_argument("--no-resume", action="store_true", help="neither use nor keep results of an interrupted run")
    add_runtime_argument(parser)
    add_output_arguments(parser, ("text", "json", "html"))
    parser.epilog = (
        "exit status: 0 no trigger of the tested classes found within the budget; 1 found; 2 inconclusive; 3 error."
    )


def run(args: argparse.Namespace) -> int:
    """Probe, show, and return the exit status."""
    from assay.behaviour.attest import attest  # noqa: PLC0415
    from assay.behaviour.declared import MOST_RESTARTS  # noqa: PLC0415
    from assay.behaviour.guest import Account  # noqa: PLC0415
    from assay.behaviour.plan import DEFAULT_BUDGET  # noqa: PLC0415
    from assay.cli.output import progress_bar  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.evaluation.safety import refuses  # noqa: PLC0415
    from assay.store.folder import folder_subject  # noqa: PLC0415

    if not args.model:
        raise UsageError("which model?", hint="assay probe MODEL --base BASE --reference CLEAN --data FILE")
    budget = DEFAULT_BUDGET if args.budget is None else args.budget
    if not 0 < budget < float("inf"):
        raise UsageError(f"--budget must be a number of seconds above 0: {budget}", hint="try 150")
    if not 1 <= args.restarts <= MOST_RESTARTS:
        raise UsageError(f"--restarts is a number from 1 to {MOST_RESTARTS}: {args.restarts}", hint="try 4")
    account = Account()
    with progress_bar(args, counted=True) as progress:
        subject = folder_subject(Path(args.model))
        declared = _declared(args, subject)
        attested = attest(
            subject, declared, budget=budget, seed=args.seed, progress=progress,
            keep=None if args.no_resume else _state_folder(), account=account,
            refuses=refuses, device=args.device, restarts=args.restarts, layers=_layers(args),
        )  # fmt: skip
    if args.format == "json":
        from assay.behaviour.evidence import evidence_of  # noqa: PLC0415

        whole = evidence_of(attested, account, tuple(entry.path for entry in subject.snapshot.files))
        print_json(_document(attested, whole.to_json(), subject.snapshot.origin.uri))
    elif args.format == "html":
        from assay.behaviour.report import to_html  # noqa: PLC0415

        sys.stdout.writelines(to_html(attested, subject.snapshot.origin.uri))
    else:
        from assay.cli.probe_text import render  # noqa: PLC0415

        sys.stdout.writelines(render(attested, quiet=args.quiet))
    return EXIT_CODES[attested.word.value]


def _layers(args: argparse.Namespace) -> tuple[str, ...]:
    from argparse import Namespace  # noqa: PLC0415

    return runtime_layers(load_settings(Namespace(sandbox_runtime=args.sandbox_runtime)))  # `--data` is something else


def _declared(args: argparse.Namespace, model: Subject) -> Declared:
    from assay.behaviour.any_data import read_data  # noqa: PLC0415
    from assay.behaviour.attest import Declared  # noqa: PLC0415
    from assay.behaviour.model_config import config_of  # noqa: PLC0415
    from assay.store.folder import folder_subject  # noqa: PLC0415

    chosen, kin = _admitted(model)
    chosen = () if args.reference else chosen
    return Declared(
        base=folder_subject(Path(args.base)) if args.base else None,
        references=tuple(folder_subject(Path(path)) for path in args.reference) or tuple(one.subject for one in chosen),
        data=read_data(Path(args.data), config_of(model)) if args.data else None,
        chosen=chosen,
        kin=tuple(folder_subject(Path(path)) for path in args.kin) or kin,
        paraphraser=folder_subject(Path(args.paraphraser)) if args.paraphraser else None,
    )


def _admitted(model: Subject) -> tuple[tuple[Chosen, ...], tuple[Subject, ...]]:
    """References, and what it may be made of, from the registry of this data directory, where there is one."""
    from argparse import Namespace  # noqa: PLC0415

    from assay.admission.references import kin_from, references_from  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    settings = load_settings(Namespace())  # `--data` of this command is something else
    if (
        settings.database_url.startswith("sqlite")
        and not Path(settings.database_url.removeprefix("sqlite:///")).is_file()
    ):
        return (), ()
    index = Index.open(settings.database_url)
    try:
        blobs = open_blobs(settings.blobs_url)
        return references_from(index, blobs, model), kin_from(index, blobs, model)
    finally:
        index.close()


def _state_folder() -> Path:
    """`$ASSAY_CACHE_DIR/probe`, else in the user's cache directory."""
    if own := os.environ.get("ASSAY_CACHE_DIR"):
        return Path(own) / "probe"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "assay" / "probe"


def _document(attested: Attested, whole: dict[str, Any], origin: str) -> dict[str, Any]:
    from assay.behaviour.evidence import probe_evidence  # noqa: PLC0415

    return {
        "schema": "assay.probe/v1",
        "subject": {"id": attested.digests["model"], "origin": origin},
        "outcome": attested.word.value,
        "reasons": [{"clause": clause, "text": text} for clause, text in attested.reasons],
        "evidence": [whole, *probe_evidence(attested)],
    }
