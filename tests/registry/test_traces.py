"""Spans, when OpenTelemetry is installed; nothing without it."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from assay.core.errors import UsageError
from assay.registry import traces


def test_spans_nest_and_carry_what_they_are_given(monkeypatch):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(traces, "_STARTED", ["assay"])
    with traces.span("request", {"http.request.method": "GET"}), traces.span("vet inspect"):
        pass
    inner, outer = exporter.get_finished_spans()
    assert (inner.name, outer.name, dict(outer.attributes)) == (
        "vet inspect",
        "request",
        {"http.request.method": "GET"},
    )
    assert inner.parent.span_id == outer.context.span_id


def test_without_it_nothing_happens(monkeypatch):
    monkeypatch.setattr(traces, "_HERE", False)
    monkeypatch.setattr(trace, "get_tracer", lambda *_: pytest.fail("asked for a tracer"))
    with traces.span("request"):
        pass
    assert traces.start("assay") is False
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    with pytest.raises(UsageError, match="traces are asked for"):
        traces.start("assay")
