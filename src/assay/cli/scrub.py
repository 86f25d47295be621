"""`assay scrub`: read every stored blob again and compare it with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EXIT_WHOLE = 0
EXIT_DAMAGED = 1

_EPILOG = """\
exit status: 0 every blob is what its name says, 1 one is not, 3 error

A damaged blob is never served to its end: the server stops before the last chunk. Vet the model from its source again
to put the file back.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `assay scrub`."""
    from assay.cli.output import add_output_arguments  # noqa: PLC0415
    from assay.cli.settings import add_data_argument  # noqa: PLC0415

    parser.epilog = _EPILOG
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Scrub the configured blob store."""
    from pathlib import Path  # noqa: PLC0415

    from assay.cli.output import print_json, progress_bar  # noqa: PLC0415
    from assay.cli.settings import load_settings  # noqa: PLC0415
    from assay.core.errors import UsageError  # noqa: PLC0415
    from assay.core.escape import printable  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415

    settings = load_settings(args)
    if "://" not in settings.blobs_url and not Path(settings.blobs_url).is_dir():
        raise UsageError(f"no blobs at {settings.blobs_url}", hint="give --data DIR, or run `assay init` first")
    blobs, count, size, problems = open_blobs(settings.blobs_url), 0, 0, []
    with progress_bar(args) as advance:
        for result in blobs.scrub():
            count, size = count + 1, size + result.size
            if result.problem:
                problems.append({"blob": result.name, "problem": result.problem})
            if advance:
                advance(f"{count} blobs read", size, 0)
    if args.format == "json":
        print_json(
            {"schema": "assay.scrub/v1", "ok": not problems, "blobs": count, "bytes": size, "problems": problems}
        )
    else:
        for found in problems:
            print(f"damaged {printable(found['blob'])}: {printable(found['problem'])}")
        print(f"{count} blobs, {size / 1e6:.1f} MB read again: {len(problems) or 'none'} damaged")
    return EXIT_DAMAGED if problems else EXIT_WHOLE
