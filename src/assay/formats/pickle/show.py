"""Terms as people read them: Python-like, bounded, nothing hidden behind an escape sequence of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.core.escape import printable

if TYPE_CHECKING:
    from assay.formats.pickle.events import Term

CALL_CHARACTERS = 1000


def show(term: Term, limit: int = CALL_CHARACTERS) -> str:
    """One line of at most `limit` characters (an ellipsis says what is missing)."""
    return printable(_show(term), limit=limit)


def show_call(target: Term, arguments: Term, limit: int = CALL_CHARACTERS) -> str:
    """`posix.system('touch x')`."""
    if isinstance(arguments, list) and arguments and arguments[0] == "tuple":
        inner = ", ".join(_show(item) for item in arguments[1])
        if arguments[2] != len(arguments[1]):
            inner += ", …"
    else:
        inner = f"*{_show(arguments)}"
    return printable(f"{_show(target)}({inner})", limit=limit)


def _show(term: Term) -> str:  # noqa: PLR0911
    if isinstance(term, str):
        return repr(term)
    if not isinstance(term, list):
        return repr(term)
    if not term:
        return "?"
    tag = term[0]
    if tag == "global":
        return f"{term[1]}.{term[2]}"
    if tag == "computed":
        return f"<name computed from {_show(term[1])} and {_show(term[2])}>"
    if tag == "result":
        return f"{_show(term[2])}(…)"
    if tag in {"tuple", "list", "set", "frozenset"}:
        return _container(tag, term)
    if tag == "dict":
        inner = ", ".join(f"{_show(key)}: {_show(value)}" for key, value in term[1])
        return f"{{{inner}{', …' if term[2] != len(term[1]) else ''}}}"
    return _leaf(term)


def _container(tag: str, term: list[Term]) -> str:
    inner = ", ".join(_show(item) for item in term[1])
    if term[2] != len(term[1]):
        inner += ", …" if inner else "…"
    elif tag == "tuple" and len(term[1]) == 1:
        inner += ","
    opening, closing = {"tuple": ("(", ")"), "list": ("[", "]"), "set": ("{", "}")}.get(tag, ("frozenset({", "})"))
    return f"{opening}{inner}{closing}"


def _leaf(term: list[Any]) -> str:
    tag = term[0]
    if tag == "bytes":
        head = repr(str(term[1]).encode("latin-1"))
        return head if term[2] == len(term[1]) else f"{head}… ({term[2]} bytes)"
    if tag == "str":
        return f"{term[1]!r}… ({term[2]} bytes)"
    if tag in {"int", "float"}:
        return str(term[1])
    if tag == "persistent":
        return f"<persistent id {_show(term[1])}>"
    if tag == "extension":
        return f"<extension code {term[1]}>"
    return f"<{tag}>"
