"""Statements from a registry. The registry is asked for words, not for trust: every signature is checked here."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx

from assay.core.errors import EnvironmentFault, TrustError, UsageError
from assay.gate.statements import MAX_BYTES, Statements

ATTESTATIONS_PATH = "/api/assay/v1/attestations"
TIMEOUT_SECONDS = 30.0
_SERVER_ERROR = 500


def fetch_statements(registry: str, name: str, revision: str) -> Statements:
    """GET the statements about a revision. Redirects are not followed.

    Raises:
        UsageError: when `registry` is not an http(s) URL.
        EnvironmentFault: when the registry can't be reached or has an error of its own.
        TrustError: when it does not serve that revision, or answers something else.
    """
    url = f"{registry.rstrip('/')}{ATTESTATIONS_PATH}/{quote(name)}/{quote(revision, safe='')}"
    hint = "check --registry and the network"
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS) as client, client.stream("GET", url) as response:
            if response.status_code >= _SERVER_ERROR:
                raise EnvironmentFault(f"{registry} answered {response.status_code}", hint=hint)
            body = _read(response)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise UsageError(f"not the URL of a registry: {registry}", hint="http://host:port or https://…") from error
    except httpx.HTTPError as error:
        raise EnvironmentFault(f"{registry} can't be reached: {error}", hint=hint) from error
    if response.status_code != httpx.codes.OK:
        why = response.headers.get("X-Error-Message") or f"status {response.status_code}"
        raise TrustError(f"{registry} does not serve {name} at {revision}: {why}")
    return Statements.from_json(_json(body))


def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TrustError(f"the registry's answer is larger than {MAX_BYTES} bytes")
    return bytes(body)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TrustError("the registry's answer is not JSON") from error
