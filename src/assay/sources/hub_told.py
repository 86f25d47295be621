"""What a hub tells of a repository beside its files: commits, who touched which file last, the publisher's account.

Asked once and briefly, after the files are fetched: a hub that does not answer costs fields of the bill of materials,
never the model. Nothing here is checked, or could be: names, dates and badges are the hub's word.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from assay.core.errors import AssayError, SourceError
from assay.core.limits import MIB
from assay.core.verdict import format_time
from assay.sources.hub_client import HubClient
from assay.sources.told import CARD, Change, Told, history, is_weights, moment, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.snapshot import Origin, Snapshot

MOST_PAGES: Final = 40  # of one list; the public hub has 50 commits or 100 described files on a page
MOST_ANSWER: Final = 4 * MIB  # bytes of one page
PATIENCE: Final = 10.0  # seconds without any byte
_COMMIT = re.compile(r"[0-9a-f]{40}")


def told_by_hub(
    name: str,
    snapshot: Snapshot,
    hub_url: str,
    *,
    token: str | None = None,
    hosts: tuple[str, ...] = (),
    allow_private: bool = False,
    proxy: str | None = None,
) -> Told:
    """Ask the hub that a snapshot came from.

    Args:
        name: of the repository on the hub.
        snapshot: as fetched; its origin names the commit.
        hub_url: base URL of the hub.
        token: see `HubClient`, as the others.
        hosts: further hosts that redirects may name.
        allow_private: also addresses that are not public.
        proxy: that requests go through.
    """
    told: Told = {"asked_at": format_time(datetime.now(UTC))}
    try:
        with HubClient(
            hub_url, token=token, hosts=hosts, allow_private=allow_private, proxy=proxy, timeout=PATIENCE,
            attempts=1, most_json=MOST_ANSWER,
        ) as hub:  # fmt: skip
            told["account"] = _or_problem(_account, hub, name)
            told["history"] = _or_problem(_history, hub, name, snapshot.origin)
    except AssayError as error:
        why = {"problem": str(error)[:300]}
        told = {"account": why, "history": why, **told}
    return told


def _or_problem(ask: Any, *args: Any) -> Told:
    try:
        found: Told = ask(*args)
    except AssayError as error:
        return {"problem": str(error)[:300]}
    return found


def _account(hub: HubClient, name: str) -> Told:
    """The publisher's overview: organisations first, since most models are theirs."""
    owner = name.rpartition("/")[0]
    if not owner:
        return {"problem": "the name has no owner"}
    try:
        kind, said = "organization", hub.ask(f"{hub.url}/api/organizations/{quote(owner, safe='')}/overview", owner)
    except SourceError:
        kind, said = "user", hub.ask(f"{hub.url}/api/users/{quote(owner, safe='')}/overview", owner)
    if not isinstance(said, dict):
        return {"problem": "the hub says nothing that can be read about the account"}
    verified = said.get("isVerified")
    return {
        "owner": owner,
        "kind": kind,
        "created_at": moment(str(said.get("createdAt"))),
        "verified": verified if isinstance(verified, bool) else None,
    }


def _history(hub: HubClient, name: str, origin: Origin) -> Told:
    commit = origin.commit
    changes, complete = [], True
    for item in _pages(hub, f"{hub.url}/api/models/{name}/commits/{commit}", f"the commits of {name}"):
        if item is None:
            complete = False
        elif change := _change(item):
            changes.append(change)
    if not changes:
        return {"problem": "the hub lists no commits"}
    by_id = {change.id: change for change in changes}
    weights: list[Change] = []
    card: Change | None = None
    problem = ""
    try:
        url = f"{hub.url}/api/models/{name}/tree/{commit}?recursive=true&expand=true"
        for item in _pages(hub, url, f"the files of {name}"):
            if item is None:
                problem = "the hub lists more files than are looked at"
            elif (path := item.get("path")) and isinstance(path, str) and (last := _change(item.get("lastCommit"))):
                last = by_id.get(last.id, last)
                weights += [last] if is_weights(path) else []
                card = last if path.lower() == CARD else card
    except SourceError as error:
        problem = str(error)[:300]
    told = {
        "first": None,
        "last": max(weights, key=lambda one: one.at).to_json() if weights and not problem else None,
        "changes": None,
        "same": True,  # the listing of this commit is what was fetched
        "problem": problem,
    }
    shown = {"last": card.to_json() if card else None, "basis": "card"}
    return history("hub", origin.uri, changes, complete=complete, weights=told, card=shown)


def _pages(hub: HubClient, first: str, what: str) -> Iterator[dict[str, Any] | None]:
    """The objects of a list, page after page; None at the end when there are more pages than are looked at."""
    url: str | None = first
    for _ in range(MOST_PAGES):
        page, url = hub.page(url or first, what)
        if not isinstance(page, list):
            raise SourceError(f"{hub.url} does not list {what}")
        yield from (item for item in page if isinstance(item, dict))
        if url is None or not page:
            return
    yield None


def _change(item: Any) -> Change | None:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not _COMMIT.fullmatch(item["id"]):
        return None
    authors = item.get("authors")
    first = authors[0] if isinstance(authors, list) and authors else None
    name = first.get("user") if isinstance(first, dict) else None
    return Change(item["id"], moment(str(item.get("date"))), plain(name), plain(item.get("title")))
