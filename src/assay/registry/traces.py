"""Traces by OpenTelemetry, when the extra `otel` is installed; else nothing.

Where they go says the SDK's own environment (`OTEL_EXPORTER_OTLP_ENDPOINT`, …), read by `start`. No attribute holds a
token, a query string or a model's content.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from assay.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_ID: Final = ContextVar("assay_request_id", default="")  # of the request that is being answered
_STARTED: Final[list[str]] = []
_NOTHING: Final = nullcontext()
_HERE = find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None


def start(service: str) -> bool:
    """Send spans by OTLP over HTTP when `OTEL_EXPORTER_OTLP_ENDPOINT` is set; whether they are.

    Raises:
        UsageError: it is set, and the extra `otel` is not installed.
    """
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return False
    if not _HERE or find_spec("opentelemetry.exporter") is None:
        raise UsageError("traces are asked for by OTEL_EXPORTER_OTLP_ENDPOINT", hint="install assay-models[otel]")
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _STARTED.append(service)
    return True


def span(name: str, attributes: Mapping[str, str | int] | None = None) -> AbstractContextManager[object]:
    """A span around what is inside; nothing before `start` said where spans go."""
    if not _STARTED:
        return _NOTHING
    from opentelemetry import trace  # noqa: PLC0415

    return trace.get_tracer("assay").start_as_current_span(name, attributes=dict(attributes or {}))
