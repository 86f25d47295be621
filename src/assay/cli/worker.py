"""`assay worker`: vet what waits in the queue, and carry on what was interrupted."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from assay.cli.logs import add_log_argument, set_up
from assay.cli.output import add_output_arguments
from assay.cli.settings import add_data_argument, load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_EPILOG = """\
exit status: 0 told to stop (or, with --once, nothing is left), 3 error

`assay serve` starts one of its own. Start more, on any number of machines, where the index and the workflows are on one
PostgreSQL and the blobs in one object store. A killed worker loses nothing: another one carries its work on.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("--hub-url", metavar="URL", help="hub that requested models are fetched from")
    parser.add_argument("--once", action="store_true", help="stop when nothing is left to do")
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this process is no longer the parent")
    add_log_argument(parser)
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Work until a signal."""
    from assay.admission.worker import Worker  # noqa: PLC0415
    from assay.cli.output import print_json  # noqa: PLC0415
    from assay.cli.vet import hub_access, open_admission  # noqa: PLC0415
    from assay.registry.traces import start  # noqa: PLC0415
    from assay.sandbox.warm import keep  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    set_up(args.log_format)
    settings = load_settings(args)
    start("assay-worker")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    access = hub_access(settings)
    with keep(), open_admission(settings, access) as admission:
        index = Index.open(settings.database_url)
        try:
            every, blobs = settings.revet_hours * 3600, open_blobs(settings.blobs_url)
            worker = Worker(admission, index, blobs, access, settings.hub_url, revet_seconds=every)
            count = worker.run(_waiting(stop, args.parent), _say(args), once=args.once)
        finally:
            index.close()
    if args.format == "json":
        print_json({"schema": "assay.worker/v1", "worked_on": count})
    return 0


def _waiting(stop: threading.Event, parent: int | None) -> Callable[[float], bool]:
    def wait(seconds: float) -> bool:
        return stop.wait(seconds) or (parent is not None and os.getppid() != parent)

    return wait


def _say(args: argparse.Namespace) -> Callable[[str], None]:
    import logging  # noqa: PLC0415

    from assay.core.escape import printable  # noqa: PLC0415

    def say(text: str) -> None:
        if args.log_format == "json":
            logging.getLogger("assay.worker").info("%s", printable(text, limit=2000))
        elif not args.quiet:
            sys.stderr.write(f"assay: {printable(text, limit=2000)}\n")
            sys.stderr.flush()

    return say
