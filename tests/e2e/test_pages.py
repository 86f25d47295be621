"""The pages in a real browser: every flow, no console error, no serious axe violation, a phone, dark, no script."""

from contextlib import contextmanager
from datetime import timedelta
from importlib.resources import files

import pytest
from cryptography.hazmat.primitives import serialization
from playwright.sync_api import expect, sync_playwright

from assay.provenance.trust import Trust
from assay.registry.tokens import Tokens
from assay.server.app import create_app
from assay.server.state import ServerSettings
from assay.store import log
from tests.simulators.serving import serving
from tests.support.persons import Persons
from tests.support.seeded import EVIL, GOOD, HELD, ODD, Seeded

pytestmark = pytest.mark.timeout(280)
PAGES = {
    "/": "Overview",
    "/-/models": "Models",
    f"/{GOOD}": GOOD,
    f"/{EVIL}": EVIL,
    f"/{HELD}": HELD,
    f"/{ODD}": ODD,
    f"/{GOOD}/-/diff": "What changed",
    f"/{EVIL}/-/decide": "Decide about",
    "/-/requests": "Requests",
    "/-/metrics": "Figures",
    "/-/settings": "Settings",
    "/-/access": "Access review",
    "/-/audit": "Append-only log",
    "/-/pulls": "Who pulled what",
    "/acme/enkoder": "acme/enkoder",
    "/login": "Log in",
    "/device": "Log in a client",
}
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A seeded registry that knows the persons anna and bob; (seeded, persons, address)."""
    root = tmp_path_factory.mktemp("site")
    seeded = Seeded(root / "data")
    persons = Persons(root / "people", root / "trust.toml")
    lifters = Persons(root / "lifters", root / "trust.toml", role="lift")
    persons.keys |= {f"{who} lifts": key for who, key in lifters.keys.items()}
    app = create_app(
        seeded.catalog,
        seeded.blobs,
        ServerSettings(hub=True),
        clock=lambda: seeded.now,
        trust=Trust.load(root / "trust.toml"),
    )
    with serving(app) as url:
        yield seeded, persons, url
    seeded.index.close()


@contextmanager
def opened(browser, site, person="", *, refused="", **settings):
    """A page of a context of its own, logged in as `person` by token; fails on any message but that of a refusal."""
    seeded, _, url = site
    context = browser.new_context(base_url=url, **settings)
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    if person:
        roles = ["approver", "reviewer", "admin", "auditor"]
        words, _ = Tokens(seeded.index).create(
            person=person, roles=roles, name="test", by=person, now=seeded.now, lifetime=timedelta(days=1), scopes=[]
        )
        page.goto("/login")
        page.fill("input[name=token]", words)
        page.click("button")
        expect(page.locator(".who")).to_contain_text(person)
    yield page
    context.close()
    assert [text for text in wrong if not refused or refused not in text] == []


def test_every_page_is_accessible_and_fits_a_phone_in_light_and_dark(browser, site):
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    # Colours and places are what differs: the second time only contrast is looked at, on every second page.
    for scheme, size, rules in (("light", (1200, 900), "{}"), ("dark", (360, 740), "{runOnly: ['color-contrast']}")):
        viewport = {"width": size[0], "height": size[1]}
        with opened(browser, site, "anna", refused="status of 404", color_scheme=scheme, viewport=viewport) as page:
            for path, title in list(PAGES.items())[:: 1 if scheme == "light" else 2]:
                page.goto(path)
                assert title in page.inner_text("h1")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, scheme)
                page.evaluate(axe)
                found = page.evaluate(f"axe.run({rules}).then(result => result.violations)")
                assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS] == [], path


def test_text_of_a_model_runs_nothing(browser, site):
    with opened(browser, site) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        page.goto(f"/{ODD}")
        assert "<script>alert(1)</script>" in page.inner_text("main")
        assert page.locator("main script").count() == 0


def test_a_person_finds_a_model_by_keyboard(browser, site):
    with opened(browser, site) as page:
        page.goto("/-/models")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("pickle")
        page.keyboard.press("Enter")
        page.wait_for_url("**search=pickle**")
        page.get_by_role("link", name=EVIL).click()
        assert "posix.system('touch /tmp/assay-test')" in page.inner_text(".finding >> nth=0")


def test_what_is_there_to_be_pasted_is_copied(browser, site):
    with opened(browser, site, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto(f"/{GOOD}")
        page.get_by_role("button", name="Copy").first.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        pasted = page.evaluate("navigator.clipboard.readText()")
        assert pasted.startswith("python -m pip install huggingface_hub\nexport HF_ENDPOINT=http://127.0.0.1:")
        assert f"hf download {GOOD} --revision " in pasted


def test_without_scripts_it_reads_the_same_and_shows_the_command(browser, site):
    with opened(browser, site, java_script_enabled=False) as page:
        page.goto(f"/{EVIL}")
        assert "Rejected" in page.inner_text(".verdict")
        page.goto(f"/{EVIL}/-/decide")
        assert not page.locator("#decide").is_visible()
        assert f"assay reject {EVIL}" in page.inner_text("pre")


def test_a_model_is_asked_for(browser, site):
    with opened(browser, site, "anna", refused="status of 404") as page:
        page.goto("/other/model")
        page.fill("textarea[name=reason]", "by the button")
        page.get_by_role("button", name="Ask for this model").click()
        expect(page.get_by_role("status")).to_contain_text("other/model waits to be vetted")
        page.goto("/-/requests?name=new/model")
        page.fill("textarea[name=reason]", "for the search team")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("status")).to_contain_text("new/model waits to be vetted")


def decide(page, keys, name, action, *, who="bob", revision="", **fields):
    page.goto(f"/{name}/-/decide?revision={revision}")
    page.select_option("select[name=action]", action)
    page.fill("textarea[name=reason]", f"{action} it")
    for field, value in fields.items():
        page.locator(f"[name={field}]").fill(value)
    page.set_input_files("input[name=key]", keys[who])
    page.get_by_role("button", name="Sign and send").click()
    expect(page.locator("#outcome")).not_to_have_text("Signing…")
    expect(page.locator("#outcome")).not_to_be_empty()
    return page.inner_text("#outcome")


def test_decisions_are_signed_in_the_browser(browser, site):
    seeded, persons, _ = site
    with opened(browser, site, "bob") as page:
        sent = []
        page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
        assert "Kept: reject, signed by bob" in decide(page, persons.keys, HELD, "reject")
        assert "Kept: approve, signed by bob" in decide(page, persons.keys, HELD, "approve")
        assert "Kept: waive, signed by bob" in decide(page, persons.keys, HELD, "waive", until="2099-01-31")
        assert "It holds from now on" in decide(page, persons.keys, "acme/small-bert", "quarantine")
        page.goto("/acme/small-bert")
        assert "Revoked: not served" in page.inner_text(".verdict")
    lines = persons.keys["bob"].read_text().splitlines()[1:-1]
    assert not any(line in one for one in sent for line in lines)
    said = [body for kind, body in _log(seeded) if kind == "revoked"]
    assert said[-1]["reason"] == "quarantine it"


def test_a_name_is_moved_and_a_revocation_lifted_by_a_key_with_a_passphrase(browser, site):
    seeded, persons, _ = site
    old, new = seeded.catalog.revisions(GOOD)[-1].revision, seeded.catalog.revisions(GOOD)[0].revision
    assert old != new
    keys = {}
    for who, role in (("bob", "reviewer"), ("anna", "lift")):
        key = serialization.load_pem_private_key(
            persons.keys[f"{who} lifts" if role == "lift" else who].read_bytes(), None
        )
        under = serialization.BestAvailableEncryption("a long passphrase; ünd so".encode())
        kind = serialization.PrivateFormat.PKCS8
        keys[who] = persons.keys["bob"].with_name(f"{who}-{role}.pem")
        keys[who].write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, under))
    secret = {"passphrase": "a long passphrase; ünd so"}
    with opened(browser, site, "bob") as page:
        moved = {"revision": old, "ref": "canary"}
        assert "this is not the passphrase" in decide(page, keys, GOOD, "move", **moved, passphrase="wrong")
        assert "Kept: move-ref, signed by bob" in decide(page, keys, GOOD, "move", **moved, **secret)
        assert {one.ref: one.revision for one in seeded.catalog.refs(GOOD)}["canary"] == old
        assert "Kept: quarantine" in decide(page, keys, GOOD, "quarantine", **secret)
    with opened(browser, site, "anna") as page:
        assert "It holds from now on" in decide(page, keys, GOOD, "lift", who="anna", **secret)
        page.goto(f"/{GOOD}")
        assert "Admitted" in page.inner_text(".verdict")


def test_a_key_of_somebody_else_decides_nothing(browser, site):
    seeded, persons, _ = site
    with opened(browser, site, "bob", refused="status of 403") as page:
        before = len(_log(seeded))
        assert "'bob' did not sign this: the key is anna's" in decide(page, persons.keys, EVIL, "reject", who="anna")
        assert len(_log(seeded)) == before


def _log(seeded):
    with seeded.index.reading() as tx:
        return [(entry.kind, entry.body) for entry in log.entries(tx)]
