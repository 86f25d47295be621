"""`assay serve`: the registry for unmodified Hugging Face clients."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from assay.cli.logs import add_log_argument, set_up
from assay.cli.output import add_output_arguments, print_json
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import UsageError
from assay.core.limits import GIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from assay.cli.settings import Settings
    from assay.provenance.keys import KeyRing
    from assay.provenance.trust import Trust
    from assay.server.oidc import Issuers
    from assay.server.oidc_login import OidcLogin

PER_MINUTE = 12_000  # requests of one address where tokens are asked for: a pull asks twice for each file
_LAST_PORT = 65535
_WORKER_GRACE = 5.0  # seconds that a worker gets to end its step
_PREFIX = re.compile(r"(/[A-Za-z0-9._-]+)+/?")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8080, help="0 takes a free one (default: 8080)")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name that requests may use, behind a proxy"
    )
    parser.add_argument(
        "--anonymous",
        action="store_true",
        help="read without a token even with --allow-host: the proxy asks who is there (default: on loopback alone)",
    )
    parser.add_argument("--require-token", action="store_true", help="ask for a token on loopback too")
    parser.add_argument("--tls-cert", metavar="FILE", help="own certificate, PEM, with those that lead to a root")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, PEM")
    parser.add_argument(
        "--accel-prefix", metavar="PATH", help="internal nginx location of the blob directory: nginx sends the files"
    )
    parser.add_argument(
        "--no-worker", action="store_true", help="start no `assay worker`: nothing is vetted or carried on from here"
    )
    parser.add_argument("--hub-url", metavar="URL", help="hub that people may ask for models of")
    parser.add_argument(
        "--vet-through",
        action="store_true",
        help="a pull of a model that was never vetted asks for it: nothing reaches the client before its verdict",
    )
    add_log_argument(parser)
    add_data_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    settings = load_settings(args)
    _check(args, settings)
    set_up(args.log_format)
    from assay.registry.catalog import Catalog  # noqa: PLC0415
    from assay.registry.traces import start  # noqa: PLC0415
    from assay.server.app import create_app  # noqa: PLC0415
    from assay.server.client_settings import client_settings  # noqa: PLC0415
    from assay.server.run import Tls, bind, is_loopback_host, serve, url_of  # noqa: PLC0415
    from assay.server.state import ServerSettings  # noqa: PLC0415
    from assay.store.blobs import open_blobs  # noqa: PLC0415
    from assay.store.index import Index  # noqa: PLC0415

    if settings.database_url.startswith("sqlite") and not settings.data.is_dir():
        raise UsageError(f"no data directory: {settings.data}", hint="run `assay init`, or name it with --data")
    start("assay-server")
    anonymous = args.anonymous or not (args.require_token or args.allow_host or not is_loopback_host(args.host))
    tls = Tls(args.tls_cert, args.tls_key) if args.tls_cert else None
    if tls:
        tls.check()
    sock = bind(args.host, args.port, tokens=not anonymous)
    with sock:
        index = Index.open(settings.database_url)
        try:
            hosts = (*args.allow_host, *(() if is_loopback_host(args.host) else (args.host,)))
            trust, glass = _people(settings)
            answer = ServerSettings(
                hosts,
                args.accel_prefix,
                anonymous=anonymous,
                per_minute=0 if anonymous else PER_MINUTE,
                hub=bool(settings.hub_url),
                vet_through=args.vet_through,
                break_glass=glass,
                presign_seconds=int(settings.link_seconds),
                upload_file=int(settings.upload_file_gb * GIB),
                upload_quota=int(settings.upload_quota_gb * GIB),
            )
            passphrase = _passphrase(settings.keys)
            key = _registry_key(settings.keys, passphrase)
            blobs, issuers = open_blobs(settings.blobs_url), _issuers(settings)
            oidc = _login(settings)
            app = create_app(Catalog(index), blobs, answer, ring=key, trust=trust, issuers=issuers, oidc=oidc)
            url = url_of(sock, "https" if tls else "http")
            if not (tls or anonymous or args.allow_host or is_loopback_host(args.host)):
                sys.stderr.write("assay: note: without --tls-cert, tokens and models travel in the clear\n")
            ledger = app.state.registry.ledger
            with closing(ledger), _worker(settings, passphrase, wanted=not args.no_worker):
                _announce(args, url, client_settings(url))
                serve(app, sock, tls=tls, behind_proxy=bool(args.allow_host))
        finally:
            index.close()
    return 0


def _check(args: argparse.Namespace, settings: Settings) -> None:
    """Options that make no sense, alone or together.

    Raises:
        UsageError: with the first of them.
    """
    for host in args.allow_host:
        if not _HOST.fullmatch(host):
            raise UsageError(f"not a host name: {host!r}", hint="like models.example.org, without scheme and port")
    if args.accel_prefix is not None and not _PREFIX.fullmatch(args.accel_prefix):
        raise UsageError(f"not a location: {args.accel_prefix!r}", hint="like /_blobs")
    if args.anonymous and args.require_token:
        raise UsageError("--anonymous and --require-token contradict each other")
    if args.vet_through and not settings.hub_url:
        raise UsageError("--vet-through needs a hub to fetch from", hint="give --hub-url or set ASSAY_HUB_URL")
    if bool(args.tls_cert) is not bool(args.tls_key):
        raise UsageError("TLS needs both --tls-cert and --tls-key")


def _people(settings: Settings) -> tuple[Trust | None, bool]:
    """Keys of people, and whether one of them may decide alone."""
    from assay.policy.model import load_policy, read_policy  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415

    policy = load_policy(None if settings.policy is None else read_policy(settings.policy))
    return (Trust.load(settings.trust) if settings.trust.exists() else None), policy.people.break_glass


def _issuers(settings: Settings) -> Issuers | None:
    """Whose identity tokens pipelines may exchange."""
    if not settings.ci_issuers:
        return None
    from assay.server.oidc import Issuers, Rule  # noqa: PLC0415

    return Issuers(tuple(Rule.parse(text) for text in settings.ci_issuers))


def _login(settings: Settings) -> OidcLogin | None:
    """Through which provider people log in."""
    if not settings.oidc_issuer:
        return None
    from assay.server.oidc_login import OidcLogin, RoleRule  # noqa: PLC0415

    rules = tuple(RoleRule.parse(text) for text in settings.oidc_roles)
    client = (settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
    return OidcLogin(*client, rules, person=settings.oidc_person, teams=settings.oidc_teams)


def _passphrase(keys: Path) -> str | None:
    """Of the keys, asked for once; the empty one when they need none, None when they need one that nobody gives."""
    from assay.cli.passphrase import VARIABLE, read_passphrase  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    if not keys.is_dir() or not KeyRing.encrypted(keys):
        return ""
    passphrase = read_passphrase(keys)
    if passphrase is None:
        sys.stderr.write(
            f"assay: note: no passphrase in {VARIABLE}: statements are served without a signed view, "
            "and nothing is vetted from here\n"
        )
    return passphrase


def _registry_key(keys: Path, passphrase: str | None) -> KeyRing | None:
    """The registry's key, for signed views, and the log's where it is; without them statements go out as stored."""
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    if passphrase is None or not keys.is_dir():
        return None
    with_log = any((keys / f"log{end}").exists() for end in (".pem", ".uri"))
    return KeyRing.load(keys, passphrase or None, roles=("registry", "log") if with_log else ("registry",))


@contextmanager
def _worker(settings: Settings, passphrase: str | None, *, wanted: bool) -> Iterator[None]:
    """A worker beside the server, in a process of its own: what parses hostile bytes never runs in the one that serves.

    It needs the keys of an admission; without them nothing is started.
    """
    from assay.cli.passphrase import VARIABLE  # noqa: PLC0415

    if not wanted or passphrase is None or not settings.keys.is_dir():
        yield
        return
    command = [sys.executable, "-m", "assay.cli.main", "worker", "--parent", str(os.getpid()), "--quiet"]
    command += ["--hub-url", settings.hub_url] if settings.hub_url else []
    env = os.environ | ({VARIABLE: passphrase} if passphrase else {})
    with subprocess.Popen([*command, "--data", str(settings.data)], env=env, stdin=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_WORKER_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()  # an admission that was running is carried on by the next worker


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
