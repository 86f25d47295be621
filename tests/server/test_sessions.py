"""Browser sessions: logins through a real provider on loopback or by token, cookies, CSRF, and how sessions end."""

import asyncio
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from assay.core.errors import UsageError
from assay.registry.sessions import ABSOLUTE, IDLE
from assay.server.app import create_app
from assay.server.login import local_path
from assay.server.oidc_login import OidcLogin, RoleRule
from assay.server.people_api import review_of
from assay.server.state import ServerSettings, utc_now
from assay.store import log
from tests.simulators.provider import Provider
from tests.simulators.serving import serving

HTML = {"Accept": "text/html"}
TOKENS = "/api/assay/v1/tokens"


class World:
    """A server that asks for tokens, at a clock that can be moved."""

    def __init__(self, publisher, login=None):
        self.ahead = timedelta()
        self.index = publisher.index
        settings = ServerSettings(anonymous=False)
        self.app = create_app(publisher.catalog, publisher.blobs, settings, clock=self.now, oidc=login)
        self.registry = self.app.state.registry

    def now(self):
        return utc_now() + self.ahead

    def token(self, *roles, **more):
        fields = {"person": "anna", "name": "t", "by": "root", "now": self.now()} | more
        return self.registry.tokens.create(roles=roles, **fields)

    def browser(self):
        return httpx.Client(base_url=self.url, follow_redirects=False, trust_env=False)

    def csrf(self, browser):
        return browser.get("/login").text.split('name="csrf" value="')[1].partition('"')[0]

    def log(self):
        with self.index.reading() as tx:
            return [entry.kind for entry in log.entries(tx)]


@pytest.fixture
def typed(publisher):
    """People type a token."""
    world = World(publisher)
    with serving(world.app) as world.url:
        yield world


@pytest.fixture
def through(publisher):
    """People log in through a provider."""
    provider = Provider()
    with serving(provider.app) as provider.url:
        rules = [RoleRule.parse("groups=ml-* developer+reviewer"), RoleRule.parse("groups=security approver")]
        login = OidcLogin(provider.url, *provider.client, rules, person="preferred_username", teams="groups")
        world = World(publisher, login)
        world.provider = provider
        with serving(world.app) as world.url:
            yield world


def begin(world, browser, back="/"):
    """To the provider and back; the last URL is not asked for."""
    there = browser.get("/login/provider", params={"next": back})
    assert there.status_code == 303
    return httpx.get(there.headers["location"]).headers["location"]


def test_a_person_logs_in_through_a_provider_and_out(through):
    with through.browser() as browser:
        sent = browser.get("/?search=x", headers=HTML)
        assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2F%3Fsearch%3Dx")
        assert "/login/provider?next=%2F%3Fsearch%3Dx" in browser.get(sent.headers["location"]).text
        done = browser.get(begin(through, browser, "/?search=x"))
        assert (done.status_code, done.headers["location"]) == (303, "/?search=x")
        cookie = next(one for one in done.headers.get_list("set-cookie") if one.startswith("assay="))
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        who = browser.get("/api/whoami-v2").json()
        assert (who["name"], who["assay"]["roles"]) == ("anna", ["developer", "reviewer"])
        assert browser.get("/", headers=HTML).status_code == 200
        value = browser.cookies["assay"]
        review = review_of(through.registry)
        (anna,) = [one for one in review.people() if one["person"] == "anna"]
        assert (anna["sessions"], anna["tokens"], "reject" in anna["rights"]) == (1, 0, True)
        assert f"logins by {through.provider.url}: groups=security approver" in review.rules
        assert json.dumps(review.to_json()["sessions"][0]).count(value) == 0
        out = browser.post("/logout", data={"csrf": through.csrf(browser)})
        assert out.headers["location"] == "/login"
        assert "assay" not in browser.cookies
        kept = httpx.get(f"{through.url}/", headers={"Cookie": f"assay={value}"})
        assert kept.status_code == 401
    assert through.log()[-2:] == ["session-started", "session-ended"]
    assert through.registry.sessions.find(value, through.now()) is None
    assert review_of(through.registry).sessions == ()


def test_over_tls_the_cookie_is_of_this_host_alone(through):
    transport = httpx.ASGITransport(through.app, client=("127.0.0.1", 1))

    async def cookies():
        async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as browser:
            there = await browser.get("/login/provider")
            provider = await asyncio.to_thread(httpx.get, there.headers["location"])
            done = await browser.get(provider.headers["location"])
            assert (await browser.get("/api/whoami-v2")).json()["name"] == "anna"
            return done.headers.get_list("set-cookie")

    cookie = next(one for one in asyncio.run(cookies()) if one.startswith("__Host-assay="))
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Secure"} <= {part.strip() for part in cookie.split(";")}
    assert "omain" not in cookie


def test_what_a_login_refuses(through):
    with through.browser() as victim, through.browser() as other:
        back = begin(through, victim)
        assert "not begun in this browser" in other.get(back).text  # login CSRF: the answer of somebody else's login
        state = victim.cookies["assay-login"]
        assert victim.get(back).status_code == 303
        victim.cookies.clear()
        victim.cookies.set("assay-login", state)
        assert "begin again" in victim.get(back).text  # a state works once
        victim.cookies.clear()
        for change in ({"state": "x"}, {"iss": "https://evil.example"}, {"code": "x"}, {"error": "access_denied"}):
            parts = urlsplit(begin(through, victim))
            query = {key: values[0] for key, values in parse_qs(parts.query).items()} | change
            assert victim.get("/login/callback", params=query).status_code == 403, change
        for spoil in (
            {"nonce": "another"},
            {"aud": "another"},
            {"azp": "another"},
            {"exp": 1},
            {"iss": "https://evil.example"},
            {"groups": ["guests"]},
            {"preferred_username": ""},
        ):
            through.provider.spoil = spoil
            got = victim.get(begin(through, victim))
            assert (got.status_code, "assay" in victim.cookies) == (403, False), spoil
        through.provider.spoil = {}
        url = begin(through, victim)
        assert victim.get(url).status_code == 303
        assert victim.post("/login", data={"token": "x"}).status_code == 403
    assert through.log().count("session-started") == 2


def test_a_login_begun_too_long_ago_is_over(through):
    with through.browser() as browser:
        url = begin(through, browser)
        through.ahead = timedelta(minutes=11)
        assert "begin again" in browser.get(url).text


def test_a_token_typed_in_gives_its_rights_and_its_end(typed):
    text, record = typed.token("developer", scopes=["read"], lifetime=timedelta(hours=2))
    with typed.browser() as browser:
        wrong = browser.post("/login", data={"token": text[:-1] + "x"})
        assert (wrong.status_code, "assay" in browser.cookies) == (401, False)
        done = browser.post("/login", data={"token": text, "next": "//evil.example"})
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert browser.get("/api/whoami-v2").json()["assay"]["scopes"] == ["read"]
        csrf = {"X-CSRF-Token": typed.csrf(browser)}
        got = browser.post(TOKENS, json={"name": "more"}, headers=csrf)
        assert (got.status_code, "manages nothing" in got.text) == (403, True)
        typed.registry.tokens.revoke(record.id, by="root", now=typed.now())
        assert browser.get("/").status_code == 401
    with typed.browser() as elsewhere:
        far = elsewhere.post("/login", data={"token": text}, headers={"Origin": "https://evil.example"})
        assert far.status_code == 403


def test_sessions_end_when_idle_and_after_a_day_s_work(typed):
    text, _ = typed.token("developer")
    with typed.browser() as browser:
        browser.post("/login", data={"token": text})
        typed.ahead = IDLE + timedelta(seconds=1)
        assert browser.get("/").status_code == 401
        browser.post("/login", data={"token": text})
        for _ in range(14):
            typed.ahead += timedelta(minutes=55)
            if browser.get("/").status_code != 200:
                break
            found = typed.registry.sessions.find(browser.cookies["assay"], typed.now())
            typed.registry.sessions.used(found, typed.now())
        assert typed.ahead + timedelta(minutes=55) > IDLE + ABSOLUTE
        assert typed.registry.sessions.find(browser.cookies["assay"], typed.now()) is None


def test_a_late_note_of_use_takes_nothing_back(typed):
    text, _ = typed.token("developer")
    with typed.browser() as browser:
        browser.post("/login", data={"token": text})
        sessions, cookie, now = typed.registry.sessions, browser.cookies["assay"], typed.now()
        session = sessions.find(cookie, now)
        sessions.used(session, now + timedelta(minutes=50))
        sessions.used(session, now + timedelta(minutes=30))
        assert sessions.find(cookie, now + timedelta(minutes=100)) is not None


def test_a_change_by_cookie_needs_the_token_and_our_origin(typed):
    text, _ = typed.token("developer")
    with typed.browser() as browser:
        browser.post("/login", data={"token": text})
        csrf, body = typed.csrf(browser), {"name": "made"}
        here, evil = {"Origin": typed.url}, {"Origin": "https://evil.example"}
        good = {"X-CSRF-Token": csrf}
        for wrong in (
            {},
            here,
            {"X-CSRF-Token": "x"},
            good | evil,
            good | {"Origin": "null"},
            good | {"Origin": "http://["},
        ):
            got = browser.post(TOKENS, json=body, headers=wrong)
            assert (got.status_code, "did not come from a page" in got.text) == (403, True), wrong
        assert browser.post(TOKENS, json=body, headers=good | {"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert browser.delete(f"{TOKENS}/x").status_code == 403
        assert browser.post(TOKENS, json=body, headers=good | here).status_code == 201
        assert browser.post("/logout", data={"csrf": "x"}).status_code == 403
        assert browser.post("/logout", content=b"csrf=%ff&csrf", headers={"Content-Type": "x/y"}).status_code == 403
        bearer = {"Authorization": f"Bearer {text}"}
        assert browser.post(TOKENS, json=body, headers=bearer).status_code == 201  # a token is no cookie
        assert browser.post("/logout", data={"csrf": csrf}, headers=here).status_code == 303


def test_a_form_keeps_its_body_when_its_token_was_read(typed):
    text, _ = typed.token("developer")
    with typed.browser() as browser:
        browser.post("/login", data={"token": text})
        fields = {"csrf": typed.csrf(browser), "name": "org/new", "reason": "x" * 9000}
        got = browser.post("/api/requests", data=fields)
        assert "fetches from no hub" in got.text  # it was read: the name is good, and this registry has no hub
        long = browser.post("/api/requests", data=fields | {"reason": "x" * 70_000})
        assert long.status_code == 413


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "", "/é"])
def test_a_login_ends_here(path):
    assert local_path(path) == "/"


def test_rules_and_settings_that_let_everybody_in_by_mistake_are_refused():
    for text in ("", "groups", "groups= developer", "=x developer", "groups=x king", "groups=x"):
        with pytest.raises(UsageError):
            RoleRule.parse(text)
    rule = RoleRule.parse("groups=ML Research admin")
    assert rule.fits({"groups": ["ML Research"]})
    assert not rule.fits({"groups": {"ML Research": 1}})
    good = ("https://id.example", "c", [rule])
    for issuer, client, rules in (("http://id.example", *good[1:]), (good[0], "", [rule]), (*good[:2], [])):
        with pytest.raises(UsageError):
            OidcLogin(issuer, client, "", rules)
    mail = OidcLogin("https://id.example", "c", "", [RoleRule.parse("sub=* developer")], person="email")
    with pytest.raises(Exception, match="not verified"):
        mail.actor({"sub": "1", "email": "anna@acme.example"})
    assert mail.actor({"sub": "1", "email": "anna@acme.example", "email_verified": True}).person == "anna@acme.example"
