"""Settings of logins, quotas and re-vetting: read, refused, and the client's secret never shown."""

from argparse import Namespace

import pytest

from assay.cli.serve import _login
from assay.cli.settings import load_settings
from assay.core.errors import UsageError


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(text):
        (tmp_path / "assay.toml").write_text(text)
        return load_settings(Namespace(data=str(tmp_path)))

    return load


def test_a_provider_is_configured(written, monkeypatch):
    monkeypatch.setenv("ASSAY_OIDC_CLIENT_SECRET", "s3cret")
    settings = written(
        'oidc_issuer = "https://id.example"\noidc_client_id = "assay"\n'
        'oidc_roles = ["groups=ml-* developer"]\noidc_teams = "groups"\n'
    )
    assert "s3cret" not in repr(settings)
    actor = _login(settings).actor({"sub": "1", "groups": ["ml-vision"]})
    assert (actor.person, actor.roles, actor.teams) == ("1", {"developer"}, {"ml-vision"})
    assert _login(written("")) is None
    with pytest.raises(UsageError, match="oidc_roles"):
        _login(written('oidc_issuer = "https://id.example"\noidc_client_id = "assay"\n'))


def test_amounts(written):
    settings = written("revet_hours = 0\nupload_quota_gb = 2.5\n")
    assert (settings.revet_hours, settings.upload_quota_gb, settings.upload_file_gb) == (0, 2.5, 200)
    for wrong in ('"often"', "-1", "true", "inf", "nan", "[]"):
        with pytest.raises(UsageError, match="revet_hours"):
            written(f"revet_hours = {wrong}\n")
