"""Links into object storage: what is revoked gets none, and one that was given out ends soon."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from assay.server.app import create_app
from assay.server.state import LINK_SECONDS, ServerSettings
from assay.store.blobs import open_blobs
from tests.server.conftest import NAME
from tests.simulators.serving import serving


@pytest.mark.parametrize("settings", [ServerSettings(), ServerSettings(presign_seconds=60)])
def test_a_link_ends_soon_and_what_is_revoked_gets_none(publisher, monkeypatch, settings):
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "none")  # signing a link asks nobody
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    app = create_app(publisher.catalog, open_blobs("s3://models/registry"), settings)
    path = f"/{NAME}/resolve/main/config.json"
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        answer = client.get(path)
        assert answer.status_code == 302
        link = parse_qs(urlsplit(answer.headers["Location"]).query)
        begins = datetime.strptime(link["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        ends = begins + timedelta(seconds=int(link["X-Amz-Expires"][0]))
        assert ends - datetime.now(UTC) <= timedelta(seconds=settings.presign_seconds)
        assert settings.presign_seconds <= LINK_SECONDS <= 600
        assert answer.headers["Cache-Control"] == "no-store"
        assert [row.files for row in app.state.registry.ledger.find(name=NAME)] == [1], "counted when it is given out"
        publisher.revoke(NAME, "it calls home")
        answer = client.get(path)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")
        assert "Location" not in answer.headers
        assert [row.files for row in app.state.registry.ledger.find(name=NAME)] == [1]
