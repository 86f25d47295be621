"""`assay serve`: the registry for unmodified Hugging Face clients."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from assay.provenance.keys import KeyRing

_LAST_PORT = 65535
_PREFIX = re.compile(r"(/[A-Za-z0-9._-]+)+/?")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8080, help="0 takes a free one (default: 8080)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name that requests may use, behind a proxy"
    )
    parser.add_argument(
        "--accel-prefix", metavar="PATH", help="internal nginx location of the blob directory: nginx sends the files"
    )
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    for host in args.allow_host:
        if not _HOST.fullmatch(host):
            raise UsageError(f"not a host name: {host!r}", hint="like models.example.org, without scheme and port")
    if args.accel_prefix is not None and not _PREFIX.fullmatch(args.accel_prefix):
        raise UsageError(f"not a location: {args.accel_prefix!r}", hint="like /_blobs")
    settings = load_settings(args)

    from assay.registry.catalog import Catalog  # noqa: PLC0415
    from assay.server.app import create_app  # noqa: PLC0415
    from assay.server.client_settings import client_settings  # noqa: PLC0415
    from assay.server.run import bind, serve, url_of  # noqa: PLC0415
    from assay.server.state import ServerSettings  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    if settings.database_url.startswith("sqlite") and not settings.data.is_dir():
        raise UsageError(f"no data directory: {settings.data}", hint="run `assay init`, or name it with --data")
    sock = bind(args.host, args.port)
    with sock:
        index = Index.open(settings.database_url)
        try:
            answer = ServerSettings(tuple(args.allow_host), args.accel_prefix)
            app = create_app(Catalog(index), open_blobs(settings.blobs_url), answer, ring=_registry_key(settings.keys))
            url = url_of(sock)
            _announce(args, url, client_settings(url))
            serve(app, sock)
        finally:
            index.close()
    return 0


def _registry_key(keys: Path) -> KeyRing | None:
    """The registry's key alone, for signed views; without it statements are served as they are stored."""
    from assay.cli.passphrase import VARIABLE, read_passphrase  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    if not keys.is_dir():
        return None
    passphrase = read_passphrase(keys)
    if passphrase is None and KeyRing.encrypted(keys):
        sys.stderr.write(f"assay: note: no passphrase in {VARIABLE}: statements are served without a signed view\n")
        return None
    return KeyRing.load(keys, passphrase, roles=("registry",))


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:6]) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"not a port: {text[:20]!r}")
    return int(text)


def _announce(args: argparse.Namespace, url: str, lines: tuple[str, ...]) -> None:
    if args.format == "json":
        print_json({"schema": "assay.serve/v1", "url": url, "client": list(lines)})
    else:
        sys.stdout.write(f"serving {url}\n")
        if not args.quiet:
            sys.stdout.write("settings of a client:\n")
            sys.stdout.writelines(f"  {line}\n" for line in lines)
    sys.stdout.flush()
