"""Canonical JSON (RFC 8785): the bytes that ids, signatures and chain hashes are computed over."""

from __future__ import annotations

from typing import Any

import rfc8785

from assay.core.digest import Digest
from assay.core.errors import UsageError


def canonical_json(value: Any) -> bytes:
    """Serialise JSON-compatible `value` as RFC 8785.

    Raises:
        UsageError: when the value has no canonical form (integer beyond 2**53, NaN, lone surrogate).
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        msg = f"value has no canonical JSON form: {error}"
        raise UsageError(msg) from error


def json_digest(value: Any) -> Digest:
    """Digest of the canonical JSON of `value`."""
    return Digest.of(canonical_json(value))
