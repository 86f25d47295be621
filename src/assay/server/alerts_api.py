"""`/api/assay/v1/alerts`: what somebody should look at now, out of the log: the loudest entries, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

from assay.core.errors import UsageError
from assay.server.state import registry_of
from assay.store import log

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.store.log import LogEntry

MOST: Final = 1000  # alerts in one answer
# Kind of entry → what it means, for a person.
KINDS: Final = {
    "break-glass": "one person decided alone (break-glass)",
    "turned": "a model that was served is refused by the rules of today",
}


def alerts(request: Request) -> Response:
    """Decisions without a second person, and verdicts that turned; `?after` (number of an entry), `?limit`."""
    query = request.query_params
    after, limit = _number(query.get("after"), 0, 1 << 53), _number(query.get("limit"), 100, MOST)
    with registry_of(request).catalog.index.reading() as tx:
        found = log.latest(tx, tuple(KINDS), after=after, limit=limit)
    return JSONResponse({"alerts": [_shown(entry) for entry in found]}, headers={"Cache-Control": "no-store"})


def _shown(entry: LogEntry) -> dict[str, Any]:
    name = str(entry.body.get("name", ""))
    text = f"{name}: {KINDS[entry.kind]}: {entry.body.get('reason', '')}"
    return {"seq": entry.seq, "at": entry.at, "kind": entry.kind, "name": name, "text": text, "body": entry.body}


def _number(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or int(text) > most:
        raise UsageError(f"a number up to {most}")
    return int(text)
