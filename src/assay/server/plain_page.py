"""Small pages of their own: logging in, and confirming a device. No script; works in any browser."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse

from assay.core.escape import printable

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
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
    alert = f'<p class="banner" role="alert">{text(problem)}</p>' if problem else ""
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · assay</title><link rel="stylesheet" href="/-/static/page.css">
<link rel="icon" href="/-/static/icon.svg" type="image/svg+xml"></head><body class="alone"><main>
<p class="brand"><img src="/-/static/icon.svg" alt="">assay</p>
<h1>{escape(title)}</h1>
{alert}
{body}
</main></body></html>
"""
    return HTMLResponse(html, status, _HEADERS)


def text(value: str) -> str:
    """`value`, escaped for HTML and the eye."""
    return escape(printable(value))
