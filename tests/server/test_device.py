"""`hf auth login` by device flow, by the stock client itself, and what the flow refuses."""

import re
import subprocess
from datetime import timedelta

import httpx
import pytest

from assay.registry.tokens import Tokens
from assay.server import device
from assay.server.device import GRANT
from tests.e2e.clients import Client
from tests.server.conftest import FILES, NAME
from tests.server.test_sessions import HTML, World
from tests.simulators.serving import serving


@pytest.fixture
def world(publisher):
    made = World(publisher)
    with serving(made.app) as made.url:
        yield made


@pytest.fixture
def anna(world):
    """Her browser, logged in."""
    with world.browser() as browser:
        browser.post("/login", data={"token": world.token("developer", "reviewer")[0]})
        yield browser


def begin(world):
    return httpx.post(f"{world.url}/oauth/device", data={"client_id": "x"}).json()


def redeem(world, code):
    return httpx.post(f"{world.url}/oauth/token", data={"grant_type": GRANT, "device_code": code, "client_id": "x"})


def answer(world, browser, code, said="confirm", **more):
    fields = {"csrf": world.csrf(browser), "user_code": code, "answer": said} | more
    return browser.post("/device", data=fields)


def test_a_stock_client_logs_in(world, anna, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "INTERVAL", 1)
    client = Client("2", world.url, tmp_path / "hf")
    command = [str(client.bin / "hf"), "auth", "login"]
    with subprocess.Popen(
        command, env=client.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as login:
        said = ""
        while (found := re.search(r"(/device\?user_code=\S+?)[\s\x1b]", said)) is None:
            line = login.stdout.readline()
            assert line, said
            said += line
        page = anna.get(found[1])
        assert re.search(r"<strong>[^<]+</strong> at 127\.0\.0\.1 asks", page.text), page.text
        code = re.search(r'name="user_code" value="([A-Z]{8})"', page.text)[1]
        assert "logged in now" in answer(world, anna, code).text
        rest = login.stdout.read()
        assert login.wait(60) == 0, said + rest
    assert client.call("whoami")["name"] == "anna"
    assert set(client.call("snapshot_download", repo_id=NAME)["files"]) == set(FILES)
    record = next(one for one in Tokens(world.index).all() if one.kind == "device")
    assert record.roles == ("developer", "reviewer")
    assert record.expires_at - record.created_at == timedelta(days=30)


def test_codes_wait_are_refused_run_out_and_work_once(world, anna):
    first, second, third = begin(world), begin(world), begin(world)
    assert re.fullmatch(r"[B-Z]{4}-[B-Z]{4}", first["user_code"])
    assert redeem(world, first["device_code"]).json()["error"] == "authorization_pending"
    assert redeem(world, "x").json()["error"] == "expired_token"
    answer(world, anna, second["user_code"].lower(), "refuse")
    assert "No login" in answer(world, anna, second["user_code"]).text  # refused is refused
    assert redeem(world, second["device_code"]).json()["error"] == "access_denied"
    answer(world, anna, first["user_code"])
    assert redeem(world, first["device_code"]).json()["token_type"] == "bearer"
    assert redeem(world, first["device_code"]).json()["error"] == "expired_token"
    world.ahead = timedelta(minutes=11)
    assert anna.get("/device", params={"user_code": third["user_code"]}).status_code == 404
    assert redeem(world, third["device_code"]).json()["error"] == "expired_token"


def test_only_a_person_confirms(world, anna):
    code = begin(world)["user_code"]
    with world.browser() as nobody:
        sent = nobody.get("/device", params={"user_code": code}, headers=HTML)
        assert sent.headers["location"].startswith("/login?next=%2Fdevice%3Fuser_code")
        assert nobody.post("/device", data={"user_code": code, "answer": "confirm"}).status_code == 401
    assert anna.post("/device", data={"user_code": code, "answer": "confirm"}).status_code == 403  # no CSRF token
    with world.browser() as scoped:
        scoped.post("/login", data={"token": world.token("developer", scopes=["read"])[0]})
        assert answer(world, scoped, code).status_code == 403  # a token with scopes makes no token
    evil = {"User-Agent": "<script>x</script>"}
    other = httpx.post(f"{world.url}/oauth/device", headers=evil).json()["user_code"]
    shown = anna.get("/device", params={"user_code": other}).text
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
