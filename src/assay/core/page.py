"""How every report in HTML begins: one file, one style, nothing that a browser would fetch or run."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from assay.core.escape import printable

_TITLE = 200  # characters


def page_head(title: str, style: str = "") -> str:
    """Everything up to the content of `<main>`.

    Args:
        title: of the document; it is escaped, hidden characters are shown.
        style: CSS beside that of all reports.
    """
    shared = (files("assay.core") / "data" / "report.css").read_text("utf-8")
    named = escape(printable(title, limit=_TITLE))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{named}</title>\n<style>\n{shared}{style}</style>\n</head>\n<body>\n<main>\n"
    )
