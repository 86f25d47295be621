"""What `assay approve`, `reject`, `waive` and `incident quarantine` share: sign here, then hand over.

The key is the person's own (`--key FILE`); it never leaves this machine. With `--registry URL` the statement goes to a
server, under `$ASSAY_TOKEN`; else it goes into the index of the data directory.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.output import add_output_arguments, print_json
from assay.cli.people import PERSON, this_person
from assay.cli.settings import add_data_argument, load_settings
from assay.core.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from assay.cli.settings import Settings
    from assay.core.digest import Digest
    from assay.core.snapshot import Snapshot
    from assay.core.statement import Envelope, Statement
    from assay.registry.catalog import Catalog

KEY = "ASSAY_PERSON_KEY"
TOKEN = "ASSAY_TOKEN"  # noqa: S105 - the name of a variable
_SECONDS = 30.0  # that a server may take


class Case:
    """What a decision is about.

    Attributes:
        name: `org/name`.
        snapshot: the files.
        approval: the newest signed verdict about them under that name.
        policy: digest of the policy of that verdict.
        revision: public revision, empty when it was never published.
        main: where the ref that may be moved points now, empty when nowhere.
    """

    def __init__(
        self, name: str, snapshot: Snapshot, approval: Envelope, revision: str, points: dict[str, str]
    ) -> None:
        self.name = name
        self.snapshot = snapshot
        self.approval = approval
        self.revision = revision
        self.points = points

    @property
    def policy(self) -> Digest:
        """Digest of the policy that gave the verdict."""
        from assay.provenance.statements import verdict_of  # noqa: PLC0415

        return verdict_of(self.approval.statement()).policy


def add_decision_arguments(parser: argparse.ArgumentParser) -> None:
    """REF, `--reason`, `--key` and where it goes."""
    parser.add_argument("ref", metavar="REF", help="org/name, or org/name@revision")
    parser.add_argument("--reason", required=True, help="why, in your words; it is signed and shown")
    parser.add_argument("--key", metavar="FILE", help=f"your own private key, PEM (default: ${KEY})")
    parser.add_argument("--person", help=f"who you are in the trust file (default: ${PERSON}, else your account)")
    parser.add_argument("--registry", metavar="URL", help=f"send it to this server, with the token in ${TOKEN}")
    add_data_argument(parser)
    add_output_arguments(parser)


def decide(args: argparse.Namespace, statements: Callable[[Case, datetime], list[Statement]]) -> int:
    """Make the statements about REF, sign them, hand them over, and show what came of it."""
    from assay.provenance import dsse  # noqa: PLC0415
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    path = args.key or os.environ.get(KEY)
    if not path:
        raise UsageError("a decision is signed with your own key", hint=f"give --key FILE, or set {KEY}")
    key = KeyRing.read(Path(path), "reviewer", os.environ.get("ASSAY_KEY_PASSPHRASE") or None)
    now = datetime.now(UTC).replace(microsecond=0)
    settings = load_settings(args)
    name, _, revision = args.ref.partition("@")
    if args.registry:
        found = _remote(args, name, revision, lambda case: [dsse.sign(one, key) for one in statements(case, now)])
    else:
        found = _local(settings, name, revision, lambda case: [dsse.sign(one, key) for one in statements(case, now)])
    if args.format == "json":
        print_json({"schema": "assay.decision/v1", "decisions": found})
    elif not args.quiet:
        _show(found)
    return 0


def person_of(args: argparse.Namespace) -> str:
    """Who decides."""
    return str(args.person or this_person())


def _local(
    settings: Settings, name: str, revision: str, signed: Callable[[Case], list[Envelope]]
) -> list[dict[str, Any]]:
    from assay.cli.people import opened_index  # noqa: PLC0415
    from assay.policy.model import load_policy, read_policy  # noqa: PLC0415
    from assay.provenance.trust import Trust  # noqa: PLC0415
    from assay.registry.catalog import Catalog  # noqa: PLC0415
    from assay.registry.decisions import accept  # noqa: PLC0415

    trust = Trust.load(settings.trust)
    policy = load_policy(None if settings.policy is None else read_policy(settings.policy))
    with opened_index(settings) as index:
        catalog = Catalog(index)
        now = datetime.now(UTC)
        glass = policy.people.break_glass
        envelopes = signed(_case(catalog, name, revision))
        return [accept(catalog, trust, one, now, actor=None, break_glass=glass).to_json() for one in envelopes]


def _case(catalog: Catalog, name: str, revision: str) -> Case:
    from assay.registry.decisions import approval_of, snapshot_of  # noqa: PLC0415

    snapshot_id = snapshot_of(catalog, name, revision)
    snapshot = catalog.index.get_snapshot(snapshot_id, name=name)
    if snapshot is None:
        raise UsageError(f"the files of {name} are not known here")
    published = [one.revision for one in catalog.revisions(name) if one.snapshot_id == snapshot_id]
    points = {ref.ref: ref.revision for ref in catalog.refs(name)}
    return Case(name, snapshot, approval_of(catalog, name, snapshot_id), published[0] if published else "", points)


def _remote(
    args: argparse.Namespace, name: str, revision: str, signed: Callable[[Case], list[Envelope]]
) -> list[dict[str, Any]]:
    import httpx  # noqa: PLC0415

    from assay.core.snapshot import Origin, Snapshot  # noqa: PLC0415
    from assay.core.statement import Envelope  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {os.environ.get(TOKEN, '')}"} if os.environ.get(TOKEN) else {}
    url = f"{args.registry.rstrip('/')}/api/assay/v1/decisions/{name}"
    try:
        with httpx.Client(headers=headers, timeout=_SECONDS) as client:
            about = _checked(client.get(url, params={"revision": revision} if revision else {}))["subject"]
            snapshot = Snapshot.from_manifest(about["manifest"], Origin("registry", url, name))
            case = Case(name, snapshot, Envelope.from_json(about["verdict"]), about["revision"], about["refs"])
            sent = [_checked(client.post(url, json={"envelope": one.to_json()})) for one in signed(case)]
    except httpx.HTTPError as error:
        raise EnvironmentFault(f"{args.registry}: {error}", hint="is the server running?") from error
    return sent


def _checked(answer: Any) -> dict[str, Any]:
    if answer.status_code >= 400:  # noqa: PLR2004 - HTTP: errors from here on
        raise UsageError(answer.headers.get("X-Error-Message", f"the server answers {answer.status_code}"))
    found: dict[str, Any] = answer.json()
    return found


def _show(found: list[dict[str, Any]]) -> None:
    from assay.core.escape import printable  # noqa: PLC0415

    for one in found:
        print(f"{one['action']}: {printable(one['name'])} {one['snapshot']}, signed by {printable(one['person'])}")
        print(f"  statement {one['statement']}")
        if one["break_glass"]:
            print("  BREAK-GLASS: without a second person; logged, counted and shown")
        if one["queued"] is not None:
            print(f"  the model is decided about again: item {one['queued']} (`assay serve` or `assay worker` does it)")
