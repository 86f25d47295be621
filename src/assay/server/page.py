"""The page at `/`: what is served, and how to use it. No script; everything from outside is escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from assay.core.escape import printable
from assay.core.verdict import format_time
from assay.registry.records import Refused
from assay.server.client_settings import client_settings
from assay.server.hub_api import shown_to
from assay.server.state import registry_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from assay.registry.records import Model
    from assay.server.state import Registry

_PAGE = 100  # models
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8886; vertical-align: top; }
pre { padding: .8rem; border: 1px solid #8886; overflow: auto; }
code { overflow-wrap: anywhere; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_NO_MATCH = "Nothing that is served has such a name."
_NOTHING = "Nothing is served yet: <code>assay vet</code>."
_CSP = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def page(request: Request) -> Response:
    """Served models with their verdicts."""
    registry, query = registry_of(request), request.query_params
    search, cursor = (query.get(key, "")[:200].replace("\0", "") for key in ("search", "cursor"))
    found = registry.catalog.models(search, _PAGE, cursor or None, registry.clock(), shown=shown_to(request))
    rows = "".join(_row(registry, model) for model in found.models)
    listing = (
        '<table><thead><tr><th scope="col">Model</th><th scope="col">Verdict</th><th scope="col">Revision</th>'
        f'<th scope="col">Until</th></tr></thead><tbody>{rows}</tbody></table>'
        if rows
        else f"<p>{_NO_MATCH if search else _NOTHING}</p>"
    )
    if found.cursor is not None:
        following = escape(urlencode({"search": search, "cursor": found.cursor}))
        listing += f'<p><a href="/?{following}" rel="next">more</a></p>'
    base = f"{request.url.scheme}://{request.url.netloc}"
    settings = escape("\n".join(client_settings(base)))
    body = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>assay</title><style>{_STYLE}</style></head><body><main>
<h1>Models that were vetted here</h1>
<form role="search"><label>Name <input name="search" value="{escape(printable(search))}"></label>
<button>Search</button></form>
{listing}
<h2>Use them</h2><pre>{settings}</pre>
</main></body></html>
"""
    return HTMLResponse(body, headers={"Content-Security-Policy": _CSP, "Cache-Control": "no-store"})


def _row(registry: Registry, model: Model) -> str:
    try:
        verdict = registry.catalog.resolve(model.name, model.revision, registry.clock()).verdict
    except Refused:
        return ""
    name = escape(printable(model.name))
    return (
        f'<tr><th scope="row">{name}</th><td>{escape(verdict.decision.value)}</td>'
        f"<td><code>{escape(model.revision)}</code></td><td>{escape(format_time(verdict.expires_at))}</td></tr>"
    )
