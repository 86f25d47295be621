"""`assay convert PATH OUT`: pickle weights to safe formats, proven equal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json, progress_bar
from assay.cli.settings import add_runtime_argument, load_settings, runtime_layers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from assay.conversion.result import Conversion, Refused

EXIT_REFUSED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("path", metavar="PATH", help="folder of the model, or one checkpoint")
    parser.add_argument("out", metavar="OUT", help="folder to make; it must not exist yet")
    parser.add_argument("--key", default="", metavar="NAME", help="dict of tensors to take, where there are several")
    parser.add_argument("--no-probe", action="store_true", help="do not compare a forward pass")
    add_runtime_argument(parser)
    add_output_arguments(parser)
    parser.epilog = (
        "The pickle is scanned first and is not converted when anything is found in it. PyTorch checkpoints become\n"
        "safetensors with the same names, shapes, types and bits; scikit-learn estimators become skops, and\n"
        "ONNX where that answers the same.\n"
        "exit status: 0 converted and proven equal; 1 not converted, with the reason; 3 error."
    )


def run(args: argparse.Namespace) -> int:
    """Scan, convert, show."""
    from assay.conversion.convert import convert  # noqa: PLC0415
    from assay.conversion.guest import Witness  # noqa: PLC0415
    from assay.conversion.result import Refused  # noqa: PLC0415
    from assay.core.errors import IntegrityError  # noqa: PLC0415
    from assay.inspections.runner import inspect  # noqa: PLC0415
    from assay.store.folder import folder_subject  # noqa: PLC0415

    try:
        with progress_bar(args) as progress, Witness(layers=runtime_layers(load_settings(args))) as witness:
            subject = folder_subject(Path(args.path))
            evidence = inspect(subject, progress=progress, only_awake=True)
            made = convert(
                subject, Path(args.out), evidence, witness, key=args.key, probe=not args.no_probe, progress=progress
            )
    except (Refused, IntegrityError) as error:
        refused = error if isinstance(error, Refused) else Refused(str(error))
        _show_refusal(args, refused)
        return EXIT_REFUSED
    if args.format == "json":
        print_json({"schema": "assay.convert/v1", "outcome": "converted", **made.to_json()})
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(made, args.out, quiet=args.quiet))
    return 0


def _show_refusal(args: argparse.Namespace, refused: Refused) -> None:
    from assay.core.escape import printable  # noqa: PLC0415

    if args.format == "json":
        document: dict[str, Any] = {"schema": "assay.convert/v1", "outcome": "refused", "reason": str(refused)}
        print_json({**document, "file": refused.file, "findings": [one.to_json() for one in refused.findings]})
        return
    print(f"not converted: {printable(str(refused), limit=2000)}")
    for one in refused.findings[:20]:
        print(f"  {one.severity.label:<8} {one.rule}: {printable(one.message, limit=300)}")


def _lines(made: Conversion, out: str, *, quiet: bool) -> Iterator[str]:
    from assay.core.escape import printable  # noqa: PLC0415

    yield f"converted into {printable(out)}"
    if quiet:
        return
    for one in made.files:
        what = f"{one.tensors} tensors, bit-equal" if one.kind == "torch" else one.kind
        yield printable(f"  {one.source} -> {one.target}  ({what}, {one.size:,} bytes, {one.target_digest})", limit=600)
        if one.shared:
            names = ", ".join(one.shared[0][:4])
            yield printable(f"    {len(one.shared)} groups of shared tensors now have bytes of their own: {names} …")
        for left in one.left_out[:10]:
            yield printable(f"    left out: {left}", limit=300)
    for path, reason in made.left_behind:
        yield printable(f"  left behind: {path} ({reason})", limit=600)
    for path, note in made.proof.get("estimators", {}).items():
        answers = ", ".join(note["equal"])
        yield printable(f"  {path}: {note['class']} answers the same ({answers}); onnx: {note['onnx']}", limit=600)
    probe = made.proof["probe"]
    if probe["ran"]:
        yield printable(f"  probe: {probe['class']}, {probe['outputs']} outputs, bit-equal")
    else:
        yield printable(f"  probe: not run ({probe['why']})", limit=600)
