"""What is asked for: which model, under which name, and what the answer depends on. No secrets: it is stored."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from assay.core.canonical import json_digest
from assay.core.errors import ContentError, SourceError, UsageError
from assay.core.name import check_name
from assay.sources.hub_ref import SCHEME, HubRef
from assay.store.tree import list_tree

if TYPE_CHECKING:
    from assay.core.digest import Digest
    from assay.sources.hub_client import HubClient

LOCAL = "local"  # organisation of a model that came without a name
_HUB_CACHE = re.compile(r"models--(?P<org>[^/]+)--(?P<name>[^/]+)")
_ID_DIGITS = 32  # hex digits of a run's subject and context: 128 bits


@dataclass(frozen=True, slots=True)
class HubAccess:
    """How hubs may be reached. A resource of the process, never stored.

    Attributes:
        token: sent to the hub itself.
        hosts: further hosts that redirects may name.
        allow_private: also addresses that are not public.
        proxy: URL of the HTTP proxy that every request goes through.
    """

    token: str | None = None
    hosts: tuple[str, ...] = ()
    allow_private: bool = False
    proxy: str | None = None

    def client(self, hub_url: str) -> HubClient:
        """A connection to one hub."""
        from assay.sources.hub_client import HubClient  # noqa: PLC0415 - slow to import

        return HubClient(
            hub_url, token=self.token, hosts=self.hosts, allow_private=self.allow_private, proxy=self.proxy
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One admission that is asked for.

    Attributes:
        kind: `hub`, `path`, or `snapshot` (it lies in the store: an upload, or a model that is vetted again).
        source: hub name (`org/name`), absolute path, or `sha256:…` of the snapshot.
        name: `org/name` under which it is judged and published.
        hub_url: base URL of the hub; empty for a path.
        requested: revision that was asked for; empty for a path.
        state: what the source is now: the commit that the revision resolved to, or a digest over names, sizes and
            times of the files. A changed source is another admission.
    """

    kind: str
    source: str
    name: str
    hub_url: str
    requested: str
    state: str

    @classmethod
    def of(cls, ref: str, name: str | None, hub_url: str | None, access: HubAccess) -> Self:
        """Read what a person typed. A hub is asked which commit the revision is; a path is listed.

        Args:
            ref: `hf://org/name@revision`, or a path.
            name: `org/name`; None for the hub's name, or one made from the folder's.
            hub_url: base URL of the hub.
            access: how to reach it.

        Raises:
            UsageError: no such path, not a name, or no hub configured.
            SourceError: the hub can't be reached or has no such revision.
        """
        if name is not None:
            check_name(name)
        if ref.startswith(SCHEME):
            hub = HubRef.parse(ref)
            if not hub_url:
                raise UsageError(f"no hub to fetch {ref} from", hint="give --hub-url or set ASSAY_HUB_URL")
            with access.client(hub_url) as client:
                _, commit = client.resolve(hub.name, hub.revision)
                return cls("hub", hub.name, name or hub.name, client.url, hub.revision, commit)
        path = Path(os.path.abspath(ref))  # noqa: PTH100 - links stay: a hub cache is known by its path
        if not path.exists():
            raise UsageError(f"no such file or directory: {ref}", hint=f"a model on a hub is {SCHEME}org/name")
        return cls("path", str(path), name or name_of(path), "", "", str(_state(path)))

    @classmethod
    def of_snapshot(cls, snapshot_id: Digest, name: str) -> Self:
        """Vet what lies in the store already."""
        return cls("snapshot", str(snapshot_id), check_name(name), "", "", str(snapshot_id))

    def to_json(self) -> dict[str, str]:
        """As stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; further keys are ignored."""
        return cls(**{key: str(value[key]) for key in cls.__slots__})

    @property
    def subject(self) -> str:
        """What is asked for, as an id: the same for every attempt at it."""
        return _id([self.kind, self.source, self.hub_url, self.requested, self.name])

    def context(self, *others: str) -> str:
        """All that the answer depends on besides, as an id."""
        return _id([self.state, *others])


def name_of(path: Path) -> str:
    """A name for what lies at a path: `local/<folder>`, or the hub's own where the path is a hub client's cache.

    Raises:
        UsageError: when no name can be made from it.
    """
    cached = _HUB_CACHE.fullmatch(path.parent.parent.name)
    if cached and path.parent.name == "snapshots":
        name = f"{cached['org']}/{cached['name']}"
    else:
        name = f"{LOCAL}/{path.stem if path.is_file() else path.name}"
    try:
        return check_name(name)
    except UsageError as error:
        raise UsageError(f"no model name can be made from {path.name!r}", hint="give one: --as ORG/NAME") from error


def _state(path: Path) -> Digest:
    """Digest over path, size, times and inode of every file: cheap, and it changes when a file does."""
    try:
        tree = list_tree(path)
    except ContentError as error:
        raise SourceError(f"{path}: {error}", hint="nothing was published") from error
    lines = [[skipped.path, skipped.reason] for skipped in tree.skipped]
    for file in tree.files:
        try:
            status = file.location.stat()
        except OSError as error:
            raise SourceError(f"{path}: a file vanished while it was listed: {file.path!r}") from error
        lines.append([file.path, *map(str, (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))])
    return json_digest(lines)


def _id(parts: list[str]) -> str:
    return json_digest(parts).hex[:_ID_DIGITS]
