"""The page on the HTTP API names what the server routes, and nothing else."""

import re
from pathlib import Path

from assay.server.app import ROUTES

PAGE = Path(__file__).parents[2] / "docs" / "explain" / "http-api.md"


def test_every_kind_of_request_is_documented():
    rows = re.findall(r"^\| ([a-z-]+) \| `", PAGE.read_text(), re.MULTILINE) + re.findall(
        r"^\| (other-kind) \|", PAGE.read_text(), re.MULTILINE
    )
    assert set(rows) == set(ROUTES)
