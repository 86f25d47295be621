"""`assay verify`: may this folder be loaded? Numbered steps; 0 verified, 1 refused, 2 could not tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json, progress_bar
from assay.cli.settings import add_data_argument, load_settings
from assay.provenance.oms import STATEMENTS_DIRECTORY

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from assay.cli.settings import Settings
    from assay.gate.report import Report
    from assay.gate.statements import Statements

    Progress = Callable[[str, int, int], None]


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "target", metavar="PATH|REF", help="the folder that will be loaded, or ORG/NAME[@REV] in the store"
    )
    parser.add_argument("--trust", metavar="FILE", help="trust file (default: trust.toml in the data directory)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--statements", metavar="DIR", help="exported statements (default: PATH/.assay)")
    source.add_argument("--registry", metavar="URL", help="ask this registry for the statements")
    parser.add_argument("--record", metavar="ENV", help="when verified: sign that it is deployed there")
    parser.add_argument("--as", dest="name", metavar="ORG/NAME[@REV]", help="what it must have been approved as")
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Verify and show the steps."""
    from assay.core.errors import UsageError  # noqa: PLC0415

    path = Path(args.target)
    settings = load_settings(args, judged=path)
    with progress_bar(args) as progress:
        if path.is_dir():
            report = _folder(args, settings, path, progress)
        elif path.exists():
            raise UsageError(f"not a directory: {path}", hint="give the folder that the model is loaded from")
        elif args.statements or args.registry or args.name:
            raise UsageError(f"no such folder: {path}", hint="these options are about a folder")
        else:
            report = _stored(settings, args.target, progress)
    recorded = _record(args, settings, path, report) if args.record and report.verified else None
    if args.format == "json":
        print_json(report.to_json() | ({"recorded": recorded} if recorded else {}))
    else:
        show(report, args.target, quiet=args.quiet)
        if recorded and not args.quiet:
            print(f"recorded as deployed to {args.record}: {recorded}")
    return report.exit_code


def _record(args: argparse.Namespace, settings: Settings, path: Path, report: Report) -> str:
    """Sign a *deployed* statement; it goes into the store when that knows the model, else beside the statements."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from assay.cli.passphrase import read_passphrase  # noqa: PLC0415
    from assay.gate.record import put_in_store, sign_deployed, write_beside  # noqa: PLC0415
    from assay.gate.stored import open_store  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    key = KeyRing.load(settings.keys, read_passphrase(settings.keys), roles=("admission",)).key("admission")
    now = datetime.now(UTC)
    statement = sign_deployed(report, args.record, key, now=now)
    file = settings.database_url.removeprefix("sqlite:///")
    if file == settings.database_url or Path(file).exists():
        with open_store(settings.database_url, settings.blobs_url) as store:
            if put_in_store(statement, report, store.catalog.index, now=now):
                return str(statement.envelope.digest)
    return str(write_beside(statement, Path(args.statements) if args.statements else path / STATEMENTS_DIRECTORY))


def _folder(args: argparse.Namespace, settings: Settings, path: Path, progress: Progress | None) -> Report:
    from assay.gate.verify import verify_folder  # noqa: PLC0415

    name, revision = _named(args, path)
    given: Statements | Path | Callable[[], Statements] | None = Path(args.statements) if args.statements else None
    if args.registry:
        given = _registry(args.registry, name, revision)
    return verify_folder(path, settings.trust, given, name=name, progress=progress)


def _named(args: argparse.Namespace, path: Path) -> tuple[str | None, str]:
    """Name and revision asked for with --as; with --registry alone, those in the path of a hub client's cache."""
    from assay.gate.reference import split_reference  # noqa: PLC0415

    if args.name:
        return split_reference(args.name)
    model = path.absolute().parent.parent.name
    if args.registry and path.absolute().parent.name == "snapshots" and model.startswith("models--"):
        return split_reference(f"{model.removeprefix('models--').replace('--', '/')}@{path.absolute().name}")
    return None, ""


def _registry(url: str, name: str | None, revision: str) -> Callable[[], Statements]:
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.gate.remote import fetch_statements  # noqa: PLC0415

    if name is None:
        raise UsageError("--registry needs to know the model", hint="add --as ORG/NAME[@REV]")
    return lambda: fetch_statements(url, name, revision)


def _stored(settings: Settings, reference: str, progress: Progress | None) -> Report:
    from assay.gate.stored import open_store, verify_stored  # noqa: PLC0415

    with open_store(settings.database_url, settings.blobs_url) as store:
        return verify_stored(store, reference, settings.trust, progress=progress)


def show(report: Report, target: str, *, quiet: bool = False) -> None:
    """Print the steps, then what follows."""
    from assay.cli.output import console  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415

    out = console()
    ticks = ("✓", "✗") if "utf" in (out.encoding or "") else ("ok", "NO")
    marks = {True: (ticks[0], "green"), False: (ticks[1], "red"), None: ("?", "yellow")}
    for step in () if quiet else report.steps:
        mark, colour = marks[step.ok]
        out.print(f"{step.n:>2} {mark} {step.step}", style=colour, end="")
        out.print(f": {step.detail}")
    stopped = report.refusal
    if stopped is None:
        out.print(f"verified: {printable(target)} is {printable(report.name)} {report.subject}", style="green")
    else:
        word = "refused" if stopped.ok is False else "could not tell"
        out.print(f"{word} at step {stopped.n}: {stopped.detail}", style=marks[stopped.ok][1])
