"""Counters of one server, in the form that Prometheus reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from assay.server.state import registry_of

if TYPE_CHECKING:
    from starlette.requests import Request


class Metrics:
    """Counters; each server has its own.

    Attributes:
        registry: what `/metrics` shows.
        refused: requests that were refused for who asked, by why: `unauthenticated`, `forbidden`, `rate`, `csrf`.
        probing: times that one address was found to try doors.
        tokens: checks of a token by result: `good`, `bad`.
        decisions: decisions of people by kind.
        break_glass: decisions without a second person.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.refused = self._counter("refused_requests", "Requests refused for who asked", "why")
        self.probing = self._counter("probing_alerts", "Times that one address was found to try doors")
        self.tokens = self._counter("token_checks", "Checks of access tokens", "result")
        self.decisions = self._counter("decisions", "Decisions of people", "kind")
        self.break_glass = self._counter("break_glass", "Decisions without a second person")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"assay_{name}", text, labels, registry=self.registry)


def metrics(request: Request) -> Response:
    """`/metrics`: for Prometheus."""
    body = generate_latest(registry_of(request).metrics.registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"})
