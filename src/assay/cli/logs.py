"""`--log-format`: what servers and workers say, as text for people or as JSON lines for a log collector."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

FORMATS = ("text", "json")


def add_log_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--log-format`."""
    parser.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="json: one object a line on standard error, with a line for each request (default: text, warnings only)",
    )


def set_up(log_format: str) -> None:
    """Send the records of assay's loggers to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else logging.Formatter("assay: %(message)s"))
    logger = logging.getLogger("assay")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO if log_format == "json" else logging.WARNING)


class JsonLines(logging.Formatter):
    """`{"time": …, "level": …, "logger": …, "message": …}` and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; non-ASCII and control characters are escapes."""
        from assay.registry.traces import REQUEST_ID  # noqa: PLC0415

        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        return json.dumps(line)
