"""Templates into answers. Whatever a template puts out passes `printable`, then Jinja's escaping."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from assay.core.escape import printable
from assay.core.verdict import format_time
from assay.registry.people import may
from assay.server.access import actor_of
from assay.server.login import login_path
from assay.server.session import session_of

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_LONGEST: Final = 4000  # characters of one text on a page
_KIB: Final = 1024
# What the head of every page leads to: address, title, and the right that it takes.
_PLACES: Final = (
    ("/", "Overview", "browse"),
    ("/-/models", "Models", "browse"),
    ("/-/requests", "Requests", "browse"),
    ("/-/metrics", "Figures", "browse"),
    ("/-/settings", "Settings", "browse"),
    ("/-/pulls", "Pulls", "audit"),
    ("/-/access", "Access", "audit"),
    ("/-/audit", "Log", "audit"),
)


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """The answer that a template makes, under a policy that lets nothing run but our own files."""
    actor = actor_of(request)
    places = [(address, title) for address, title, right in _PLACES if may(actor, right)]
    common = {
        "actor": actor,
        "places": places,
        "here": request.scope["path"],
        "csrf": csrf_of(request),
        "login": login_path(request),
    }
    body = _environment().get_template(template).render(**common, **values)
    headers = {"Content-Security-Policy": CSP, "Cache-Control": "no-store"}
    return HTMLResponse(body, status, headers)


def refusal(request: Request, status: int, text: str) -> Response | None:
    """A page that says why not, for a browser that asked for one of the pages; None for whoever else asked."""
    target = request.scope.get("assay.target")
    is_page = target is not None and (target.kind == "page" or target.kind.endswith("-page"))
    if not is_page or "text/html" not in request.headers.get("accept", ""):
        return None
    return page(request, "message.html", status, title="This did not work", text=text)


def csrf_of(request: Request) -> str:
    """What the forms of this session carry; empty without a session."""
    session = session_of(request)
    return session.csrf if session else ""


def wanted(request: Request, key: str, limit: int = 200) -> str:
    """A text of the query, bounded."""
    return request.query_params.get(key, "").replace("\0", "")[:limit]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("assay.server", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    made.filters |= {"when": _when, "bytes": size_text, "query": urlencode}
    return made


def _safe(value: Any) -> Any:
    return value if isinstance(value, Markup) or not isinstance(value, str) else printable(value, limit=_LONGEST)


def _when(moment: datetime | str) -> Markup:
    text = moment if isinstance(moment, str) else format_time(moment)
    return Markup('<time datetime="{0}">{1}</time>').format(text, text.replace("T", " ").removesuffix("Z"))


def size_text(count: int) -> str:
    """`3.4 MiB`."""
    size, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < _KIB or unit == "TiB":
            break
        size /= _KIB
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
