"""What a server counts, and what it reads off the index, in the form that Prometheus reads."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from assay.core.errors import AssayError
from assay.registry.census import Census
from assay.registry.queue import WorkQueue
from assay.registry.tallies import JOB, STEP, VERDICT, read
from assay.server.answers import error
from assay.server.hub_api import hidden_from
from assay.server.state import registry_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric
    from starlette.requests import Request

    from assay.registry.records import Refused
    from assay.store.index import Index

CENSUS_SECONDS: Final = 60.0  # how old the counts over the whole index get, at least
_CENSUS_SHARE: Final = 100  # times what counting took is how old they get at most: a hundredth of the time goes there
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_VERDICT_OF: Final = {"held": "HOLD", "rejected": "REJECT"}


class Metrics:
    """Counters of one server, and sums of all workers.

    Attributes:
        registry: what `/metrics` shows.
        requests: answered requests by kind of target and status.
        seconds: their time by kind of target.
        pulls: requests for a file by the verdict they met: `ADMIT`, `HOLD`, `REJECT`, `none`.
        blocked: requests for a file that were refused, by why.
        untracked: requests for a file of a model that was never vetted here.
        fetched: answers with signed statements: a verifier at work.
        signatures: signatures checked here by result: `good`, `bad`.
        integrity: bytes or rows that were not what their digest says.
        refused: requests that were refused for who asked, by why: `unauthenticated`, `forbidden`, `rate`, `csrf`.
        probing: times that one address was found to try doors.
        tokens: checks of a token by result: `good`, `bad`.
        decisions: decisions of people by kind.
        break_glass: decisions without a second person.
    """

    def __init__(self, index: Index) -> None:
        self.registry = CollectorRegistry()
        self._answered: dict[tuple[str, int], tuple[Counter, Histogram]] = {}  # found by labels only once
        self.requests = self._counter("requests", "Answered requests", "kind", "status")
        self.seconds = Histogram(
            "assay_request_seconds", "Time of a request", ("kind",), registry=self.registry, buckets=_BUCKETS
        )
        self.pulls = self._counter("pulls", "Requests for a file, by the verdict they met", "verdict")
        self.blocked = self._counter("blocked_pulls", "Requests for a file that were refused", "why")
        self.untracked = self._counter("untracked_pulls", "Requests for a file of a model never vetted here")
        self.fetched = self._counter("statements_fetched", "Answers with signed statements: a verifier at work")
        self.signatures = self._counter("signature_checks", "Signatures checked by this server", "result")
        self.integrity = self._counter("integrity_failures", "Bytes or rows that are not what their digest says")
        self.refused = self._counter("refused_requests", "Requests refused for who asked", "why")
        self.probing = self._counter("probing_alerts", "Times that one address was found to try doors")
        self.tokens = self._counter("token_checks", "Checks of access tokens", "result")
        self.decisions = self._counter("decisions", "Decisions of people", "kind")
        self.break_glass = self._counter("break_glass", "Decisions without a second person")
        self.registry.register(_OfIndex(index))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"assay_{name}", text, labels, registry=self.registry)

    def answered(self, kind: str, status: int, seconds: float) -> None:
        """A request that was answered."""
        counters = self._answered.get((kind, status))
        if counters is None:
            counters = self._answered[kind, status] = (
                self.requests.labels(kind, str(status)),
                self.seconds.labels(kind),
            )
        counters[0].inc()
        counters[1].observe(seconds)

    def block(self, refusal: Refused) -> None:
        """A file that was asked for and refused."""
        self.blocked.labels(refusal.kind).inc()
        self.pulls.labels(_VERDICT_OF.get(refusal.kind, "none")).inc()
        if refusal.kind == "unknown":
            self.untracked.inc()


class _OfIndex:
    """What all processes of a registry share: the queue, the workers' sums, what is published. Read when scraped."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._counts_of = Census(index)
        self._census: tuple[float, dict[str, int]] | None = None  # good until then

    def describe(self) -> Iterable[Metric]:
        """Nothing: asked for at registration, when the index may be away."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The families; none of them when the index does not answer."""
        try:
            return [*self._queue(), *self._sums(), *self._counts()]
        except AssayError:
            return [_up(0)]

    def _queue(self) -> Iterable[Metric]:
        depth, oldest = WorkQueue(self._index).depth()
        age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
        yield _up(1)
        yield GaugeMetricFamily("assay_queue_depth", "Models that wait to be vetted", depth)
        yield GaugeMetricFamily("assay_queue_oldest_seconds", "How long the oldest of them waits", max(age, 0.0))

    def _sums(self) -> Iterable[Metric]:
        steps = SummaryMetricFamily("assay_vet_step_seconds", "Time of the steps of admissions", labels=["step"])
        vetted = CounterMetricFamily("assay_vetted", "Verdicts given by workers", labels=["verdict"])
        jobs = CounterMetricFamily("assay_loading_jobs", "Inspections that load a model", labels=["how"])
        for one in read(self._index):
            if one.what == STEP:
                steps.add_metric([one.label], one.count, one.total)
            elif one.what in {VERDICT, JOB}:
                (vetted if one.what == VERDICT else jobs).add_metric([one.label], one.count)
        return steps, vetted, jobs

    def _counts(self) -> Iterable[Metric]:
        with self._lock:
            now = time.monotonic()
            if self._census is None or now >= self._census[0]:
                counts = self._counts_of.read()
                took = time.monotonic() - now
                self._census = now + max(CENSUS_SECONDS, took * _CENSUS_SHARE), counts
            counts = self._census[1]
        for name, text in (
            ("models", "Names with a published revision"),
            ("revisions", "Published revisions"),
            ("unsigned_revisions", "Published revisions without a signed approval"),
            ("unvetted_models", "Names that were asked for and have no verdict"),
            ("revoked_snapshots", "Snapshots whose revocation stands"),
        ):
            yield GaugeMetricFamily(f"assay_{name}", text, counts[name])


def _up(value: int) -> Metric:
    return GaugeMetricFamily("assay_index_up", "Whether the index answers", value)


def metrics(request: Request) -> Response:
    """`/metrics`: for Prometheus. Its figures can't be taken apart by model: whoever does not see all gets none."""
    if hidden_from(request) is not None:
        return error(403, "assay: these figures count models of teams: they need a token of a reviewer or an auditor")
    body = generate_latest(registry_of(request).metrics.registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"})
