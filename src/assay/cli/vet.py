"""`assay vet`: the whole admission of one model."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from assay.cli.output import add_output_arguments, progress_bar
from assay.cli.settings import add_data_argument, load_settings, runtime_layers
from assay.core.errors import AssayError, ContentError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from types import FrameType

    from assay.admission.probing import Crew
    from assay.admission.request import HubAccess, Request
    from assay.admission.spine import Admission, Vetted
    from assay.cli.settings import Settings
    from assay.policy.model import Policy
    from assay.registry.stale import Stale
    from assay.store.blobs import Blobs
    from assay.store.index import Index

EXIT_CODES = {"ADMIT": 0, "REJECT": 1, "HOLD": 2}
EXIT_ERROR = 3
HUB_TOKEN = "ASSAY_HUB_TOKEN"  # noqa: S105 - the name of a variable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = (
        "exit status: 0 ADMIT, 1 REJECT, 2 HOLD, 3 error. An interrupted run is carried on by the same command.\n"
        f"A token for the hub is taken from ${HUB_TOKEN}."
    )
    parser.add_argument("ref", nargs="?", metavar="REF|PATH", help="hf://org/name@revision, a directory or a file")
    parser.add_argument("--as", dest="name", metavar="ORG/NAME", help="judge and publish it under this name")
    parser.add_argument("--hub-url", metavar="URL", help="hub that hf:// references are fetched from")
    parser.add_argument("--convert", action="store_true", help="convert it to safe formats first, and publish that")
    parser.add_argument("--key", default="", metavar="NAME", help="with --convert: dict of tensors to take")
    parser.add_argument("--resume", action="store_true", help="carry on every admission that was interrupted")
    parser.add_argument(
        "--stale", action="store_true", help="queue every served model that was vetted by another policy or other rules"
    )
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Vet; a worker thread can't be interrupted, so an interrupt ends the process: what is finished is recorded."""
    if bool(args.ref) + bool(args.resume) + bool(args.stale) != 1:
        raise UsageError("what is to be vetted?", hint="give a REF, a PATH, --resume or --stale")
    before = signal.signal(signal.SIGINT, _interrupted)
    try:
        return _vet(args)
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    """Ends the process here: an exception raised into whatever library runs at the moment may be swallowed by it."""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: the stream was being written to
        sys.stdout.flush()
        sys.stderr.write("assay: error: interrupted (run the command again: it carries on where it was)\n")
        sys.stderr.flush()
    os._exit(EXIT_ERROR)


def _vet(args: argparse.Namespace) -> int:
    from assay.admission.request import Request  # noqa: PLC0415
    from assay.admission.spine import silent  # noqa: PLC0415

    settings = load_settings(args, judged=Path(args.ref) if args.ref else None)
    access = hub_access(settings)
    with progress_bar(args) as progress, open_admission(settings, access) as admission:
        notice = _notices(quiet=args.quiet)
        if args.stale:
            return _queued(args, admission.queue_stale(datetime.now(UTC)))
        if args.resume:
            results = admission.carry_on_all(notice=notice, progress=progress or silent)
        else:
            request = Request.of(args.ref, args.name, settings.hub_url, access)
            vet = partial(_vet_converted, args, settings) if args.convert else type(admission).vet
            results = [vet(admission, request, notice=notice, progress=progress or silent)]
    return _show(args, results)


def _vet_converted(
    args: argparse.Namespace,
    settings: Settings,
    admission: Admission,
    request: Request,
    *,
    notice: Callable[[str], None],
    progress: Callable[[str, int, int], None],
) -> Vetted | AssayError:
    """The safe version instead of the original; the original itself when the scan found something in its pickle."""
    from assay.admission.conversion import prepare  # noqa: PLC0415
    from assay.conversion.result import Refused  # noqa: PLC0415

    try:
        prepared = prepare(request, admission.resources, args.key, progress, _layers(settings, _policy(settings)))
    except Refused as error:
        if not error.findings:
            return error
        notice(f"not converted: {error}; the original is judged")
        return admission.vet(request, notice=notice, progress=progress)
    vetted = admission.vet(prepared.request, notice=notice, progress=progress)
    return replace(vetted, statements=(("converted", prepared.statement), *vetted.statements))


def _queued(args: argparse.Namespace, found: tuple[Stale, ...]) -> int:
    from assay.cli.output import print_json  # noqa: PLC0415
    from assay.core.verdict import format_time  # noqa: PLC0415

    if args.format == "json":
        queued = [
            {"name": one.name, "snapshot": str(one.snapshot_id), "decided_at": format_time(one.decided_at)}
            | {"why": one.why, "pulled": one.pulled}
            for one in found
        ]
        print_json({"schema": "assay.vet-stale/v1", "queued": queued})
        return 0
    for one in found:
        print(f"{one.name}  verdict of {format_time(one.decided_at)}: {one.why}")
    print(
        f"{len(found)} queued: `assay serve` or `assay worker` vets them"
        if found
        else "every verdict is of today's rules"
    )
    return 0


def hub_access(settings: Settings) -> HubAccess:
    """How this process may reach hubs."""
    from assay.admission.request import HubAccess  # noqa: PLC0415

    token = os.environ.get(HUB_TOKEN) or None
    return HubAccess(token, settings.hub_hosts, settings.hub_allow_private, settings.hub_proxy)


def open_admission(settings: Settings, access: HubAccess) -> Admission:
    """The admission of these settings: keys, policy, index, blobs, inspectors."""
    from assay.admission.spine import Admission  # noqa: PLC0415
    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    if not settings.keys.is_dir():
        raise UsageError(f"the data directory {settings.data} has no keys", hint="run `assay init` first")
    ring = KeyRing.load(settings.keys, read_passphrase(settings.keys))
    ring.tsa_url = settings.tsa_url
    policy = _policy(settings)
    index = Index.open(settings.database_url)
    blobs = open_blobs(settings.blobs_url)
    crew = _crew(settings, policy, index, blobs)
    inspectors = _inspectors(settings, policy, index, crew)
    return Admission(
        settings.workflow_url,
        index=index,
        blobs=blobs,
        ring=ring,
        policy=policy,
        access=access,
        inspectors=inspectors,
        trust=Trust.load(settings.trust) if settings.trust.exists() else None,
        lapse=settings.lease_seconds,
        crew=crew,
        at_once=dict(settings.at_once),
    )


def _crew(settings: Settings, policy: Policy, index: Index, blobs: Blobs) -> Crew | None:
    """What shares probes with other workers, where there are any probes."""
    if not settings.probes and "behaviour" not in {*policy.required, *policy.run}:
        return None
    from assay.admission.probing import Crew  # noqa: PLC0415

    return Crew(index, blobs, layers=_layers(settings, policy))


def _inspectors(settings: Settings, policy: Policy, index: Index, crew: Crew | None) -> tuple[Any, ...]:
    """Those of the policy, and the evaluations and probes that the settings name."""
    from assay.admission import inspectors  # noqa: PLC0415

    layers = _layers(settings, policy)
    found: list[Any] = [*inspectors.inspectors_for(policy, settings.trust, layers), inspectors.tensors_of(index)]
    found += [inspectors.copies_of(index), *inspectors.provenance_of(index)]
    if settings.suites:
        found.append(_evaluations(settings, policy))
    if crew is not None:
        found += [_probes(settings, policy, crew), *inspectors.second_pass(policy, layers)]
    return tuple(found)


def _policy(settings: Settings) -> Policy:
    from assay.policy.model import load_policy, read_policy  # noqa: PLC0415

    return load_policy(None if settings.policy is None else read_policy(settings.policy))


def _layers(settings: Settings, policy: Policy) -> tuple[str, ...]:
    """Of the sandbox, that policy and settings ask for."""
    return (*policy.layers, *runtime_layers(settings))


def _probes(settings: Settings, policy: Policy, crew: Crew) -> Any:
    """Probes against what the settings name, else against admitted models; finished answers stay in the index."""
    from assay.admission.references import kin_from, references_from  # noqa: PLC0415
    from assay.behaviour.inspector import Behaviour  # noqa: PLC0415
    from assay.core.pin import Pin  # noqa: PLC0415
    from assay.evaluation.safety import refuses  # noqa: PLC0415

    return Behaviour(
        tuple(Pin.parse(entry, settings.data, "probes") for entry in settings.probes),
        layers=_layers(settings, policy),
        refuses=refuses,
        tasks=policy.tasks,
        shelf=partial(references_from, crew.index, crew.blobs),
        kin=partial(kin_from, crew.index, crew.blobs),
        keep=crew,
        progress=crew.progress,
        device=settings.probe_device,
    )


def _evaluations(settings: Settings, policy: Policy) -> Any:
    """The suites of the settings; what the policy requires must rest on suites that somebody stands behind."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.core.pin import Pin  # noqa: PLC0415
    from assay.evaluation.inspector import Evaluations  # noqa: PLC0415
    from assay.evaluation.signed import Signatures  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415

    pins = tuple(Pin.parse(entry, settings.data, "suites") for entry in settings.suites)
    signatures = Signatures(Trust.load(settings.trust) if settings.trust.exists() else None, datetime.now(UTC))
    required = Evaluations.name in policy.required
    return Evaluations(pins, layers=_layers(settings, policy), signatures=signatures, require_signed=required)


def _notices(*, quiet: bool) -> Callable[[str], None]:
    def notice(text: str) -> None:
        if not quiet:
            sys.stderr.write(f"assay: {text}\n")

    return notice


def _show(args: argparse.Namespace, results: list[Vetted | AssayError]) -> int:
    from assay.cli.vetted import document, show  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415

    status = 0
    documents = []
    for result in results:
        if isinstance(result, AssayError):
            sys.stderr.write(f"assay: error: {printable(str(result), limit=2000)}\n")
            status = max(status, EXIT_CODES["HOLD"] if isinstance(result, ContentError) else EXIT_ERROR)
            continue
        status = max(status, EXIT_CODES[result.verdict.decision.value])
        if args.format == "json":
            documents.append(document(result))
        else:
            show(result, quiet=args.quiet)
    if args.format == "json":
        from assay.cli.output import print_json  # noqa: PLC0415

        print_json(
            {"schema": "assay.vet-all/v1", "results": documents} if args.resume or not documents else documents[0]
        )
    return status
