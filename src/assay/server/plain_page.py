"""Small pages of their own: logging in, and confirming a device. No script; works in any browser."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

from assay.core.escape import printable

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 10vh auto; max-width: 30rem; padding: 0 1rem; }
label, input, button { display: block; font: inherit; margin: .4rem 0; }
input { box-sizing: border-box; width: 100%; padding: .5rem; }
button { padding: .5rem 1.2rem; }
[role=alert] { border-left: 4px solid #c33; padding-left: .8rem; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
}


def plain_page(title: str, body: str, *, problem: str = "", status: int = 200) -> HTMLResponse:
    """A page.

    Args:
        title: text.
        body: HTML; whoever writes it escapes what comes from outside.
        problem: text of what went wrong.
        status: of the answer.
    """
    alert = f'<p role="alert">{text(problem)}</p>' if problem else ""
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · assay</title><style>{_STYLE}</style></head><body><main>
<h1>{escape(title)}</h1>
{alert}
{body}
</main></body></html>
"""
    return HTMLResponse(html, status, _HEADERS)


def text(value: str) -> str:
    """`value`, escaped for HTML and the eye."""
    return escape(printable(value))
