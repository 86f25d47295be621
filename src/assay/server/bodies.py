"""Bodies of requests as values whose texts an index can keep: no lone surrogates (RFC 8259, 8.2), no NULs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs


def parse_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: no JSON, not UTF-8, or a text in it that PostgreSQL or a UTF-8 encoder refuses.
        RecursionError: nested too deeply.
    """
    text = body.decode()
    value = json.loads(text)
    if "\\u" in text:  # only an escape writes what UTF-8 can't
        _check(value)
    return value


def parse_form(body: bytes, fields: int = 20, *, blank: bool = False) -> dict[str, list[str]]:
    """The values of each field of a form (`application/x-www-form-urlencoded`).

    Raises:
        ValueError: no form, too many fields, or a NUL.
    """
    found = parse_qs(body.decode(), max_num_fields=fields, keep_blank_values=blank)
    _check(found)
    return found


def _check(value: Any) -> None:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            one.encode()  # UnicodeEncodeError is a ValueError
            if "\0" in one:
                msg = "a text holds a NUL character"
                raise ValueError(msg)
        elif isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
