"""The pages as they are answered: what they say, and that nothing of a model reaches them raw."""

import re
from datetime import timedelta

import httpx
import pytest

from assay.core.weights import TensorRow
from assay.registry.lineage import Lineage, Node
from assay.registry.tokens import Tokens
from assay.registry.weights import Weights
from assay.server.app import create_app
from assay.server.state import ServerSettings
from tests.simulators.serving import serving
from tests.support.seeded import EVIL, GONE, GOOD, HELD, HOSTILE, ODD, Seeded


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    made = Seeded(tmp_path_factory.mktemp("pages") / "data")
    yield made
    made.index.close()


@pytest.fixture(scope="module")
def pages(seeded):
    app = create_app(seeded.catalog, seeded.blobs, ServerSettings(hub=True), clock=lambda: seeded.now)
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def text(pages, path, status=200, **more):
    answer = pages.get(path, **more)
    assert answer.status_code == status, answer.text[:500]
    return answer.text


def test_the_overview_says_what_needs_a_person(pages):
    page = text(pages, "/")
    assert "Break-glass:" in page
    assert re.search(rf'On hold</h3>.*href="/{HELD}"', page, re.DOTALL)
    assert "a new rule found a call" in page
    assert re.search(r"about to end</h3>.*acme/small-bert", page, re.DOTALL)
    assert "big/model" in page
    assert "3 consumers pulled 33 files of 1 model." in page
    assert "export HF_ENDPOINT=http://127.0.0.1" in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {GOOD, HELD, EVIL, GONE, ODD, "acme/small-bert"}),
        ("?search=ENC", {GOOD}),
        ("?decision=REJECT", {EVIL, ODD}),
        ("?publisher=acme&decision=HOLD", {HELD}),
        ("?publisher=a", set()),
        ("?after=evil/pickle", {ODD}),
    ],
)
def test_the_list_is_searched_and_filtered(pages, query, names):
    assert set(re.findall(r'<th scope="row"><a href="/([^"]+)"', text(pages, f"/-/models{query}"))) == names


def test_a_list_longer_than_a_page_goes_on(tmp_path):
    made = Seeded(tmp_path / "data")
    for number in range(50):
        made.refuse(f"many/m{number:02}", {"config.json": f"{number}".encode()}, "because")
    with serving(create_app(made.catalog, made.blobs)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        first = text(client, "/-/models?publisher=many&decision=REJECT")
        assert "More" not in first
        first = text(client, "/-/models")
        following = re.search(r'href="(/-/models\?[^"]+)" rel="next"', first)[1].replace("&amp;", "&")
        second = text(client, following)
    seen = [re.findall(r'<th scope="row"><a href="/([^"]+)"', page) for page in (first, second)]
    assert len(seen[0]) == 50
    assert sorted(seen[0] + seen[1]) == seen[0] + seen[1]
    assert len(set(seen[0] + seen[1])) == 56
    made.index.close()


def test_a_served_model_tells_what_is_known(pages, seeded):
    page = text(pages, f"/{GOOD}")
    assert 'class="big">Admitted: served</p>' in page
    assert '<li class="word clean">behaviour: clean</li>' in page
    assert "Not done:</strong> loading it under watch.</p>" in page
    assert seeded.second in page
    assert "0.884 to 0.922, n = 872" in page
    assert 'aria-label="Flip rates: rare words 4%, added tokens 11%"' in page
    assert "0.4 of 4.2 (wrong on 1.0% of clean models)" in page
    assert page.count('aria-label="mask and pattern: patch to class 2"') == page.count("mask and pattern") == 1
    assert 'fill="#ffffff"' in page
    assert re.search(r'class="edge refuted"', page)
    assert f"/{GOOD}/-/diff?from={seeded.first}&amp;to={seeded.second}" in page
    assert f"hf download {GOOD} --revision {seeded.second}" in page
    for place in (
        "pip install huggingface_hub",
        "export HF_ENDPOINT=http",
        "ENV HF_ENDPOINT=http",
        "HF_ENDPOINT: http",
    ):
        assert place in page
    assert re.search(r"production</strong>.*because", page)
    older = text(pages, f"/{GOOD}?revision=production")
    assert f"hf download {GOOD} --revision {seeded.first}" in older


def test_the_worst_finding_comes_first_with_its_call(pages):
    page = text(pages, f"/{EVIL}")
    assert "Rejected: not served" in page
    assert page.index("calls posix.system") < page.index("a setting that nobody uses")
    assert "posix.system(&#39;touch /tmp/assay-test&#39;)" in page
    assert "at byte 123" in page


def test_what_was_not_looked_at_stands_at_the_top_and_at_the_file(pages):
    page = text(pages, f"/{HELD}")
    assert "Not looked at:</strong> 1 part" in page
    assert re.search(r'notes\.xyz</th>\s*<td>\s*<span class="word inconclusive">', page)


def test_a_revoked_model_says_why(pages):
    page = text(pages, f"/{GONE}")
    assert "Revoked: not served" in page
    assert "the training data held a backdoor" in page
    assert "hf download" not in page


def test_text_of_a_model_is_escaped(pages):
    page = text(pages, f"/{ODD}")
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page
    assert "\\u202etxt.bin" in page


def test_a_name_that_was_never_vetted(pages, seeded):
    page = text(pages, "/acme/encodr", 404)
    assert f'nearly that of <a href="/{GOOD}">' in page
    assert "-d name=acme/encodr" in page  # whoever is not logged in
    assert 'value="acme/encodr"' in text(pages, "/acme/encodr", 404, headers=_token(seeded, "dora", "developer"))


def test_a_revision_that_does_not_exist(pages):
    page = text(pages, f"/{GOOD}?revision=nothing", 404)
    assert "has no revision" in page
    assert "never vetted" not in page


def test_a_browser_gets_a_page_that_says_why_not(pages, seeded):
    browser = {"Accept": "text/html"} | _token(seeded, "dora", "developer")
    answer = pages.get(f"/{HELD}/-/diff", headers=browser)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "has no revision here" in answer.text
    assert pages.get(f"/{HELD}/-/diff").json()["error"].endswith("has no revision here")


def test_lines_are_for_those_who_may_pull(pages, seeded):
    auditor = _token(seeded, "carla", "auditor")
    page = pages.get(f"/{GOOD}/-/diff?from={seeded.first}&to={seeded.second}", headers=auditor).text
    assert "README.md" in page
    assert "layers" not in page


def test_the_difference_of_two_revisions(pages, seeded):
    page = text(pages, f"/{GOOD}/-/diff?from={seeded.first}&to={seeded.second}")
    assert '<span class="minus">- &#34;layers&#34;: 2</span>' in page
    assert '<span class="plus">+ &#34;layers&#34;: 3</span>' in page
    assert re.search(r"README\.md</th><td>added", page)
    back = text(pages, f"/{GOOD}/-/diff?from={seeded.second}&to={seeded.first}")
    assert re.search(r"README\.md</th><td>removed", back)


def test_the_difference_of_the_tensors(tmp_path):
    made = Seeded(tmp_path / "data")
    name, weights = "acme/tensors", Weights(made.index)
    listed = (
        {"a": "F32 2x2 1", "b": "F32 2x2 1", "c": "F32 2x2 1", "d": "F32 2x2 1", "same": "F32 2x2 1"},
        {"a": "F32 2x2 2", "b": "F16 2x2 2", "c": "F32 2x3 2", "<i>": "F32 2x2 1", "same": "F32 2x2 1"},
    )
    for number, tensors in enumerate(listed):
        revision = made.admit(name, {"config.json": b"%d" % number})
        rows = []
        for tensor, said in tensors.items():
            dtype, shape, digest = said.split()
            sizes = tuple(int(size) for size in shape.split("x"))
            rows.append(TensorRow("model.safetensors", tensor, dtype, sizes, 4, digest * 64, ""))
        resolved = made.catalog.resolve(name, revision, now=made.now)
        if number == 0:
            weights.put(resolved.snapshot.id, rows)
            continue
        with (
            serving(create_app(made.catalog, made.blobs)) as url,
            httpx.Client(base_url=url, trust_env=False) as client,
        ):
            assert "were never listed" in text(client, f"/{name}/-/diff")
            weights.put(resolved.snapshot.id, rows)
            page = text(client, f"/{name}/-/diff")
    assert "1 added, 1 removed, 1 other shape, 1 other type, 1 other values, 1 same." in page
    for shown in (">a</th><td>other values", ">b</th><td>other type", ">c</th><td>other shape", ">d</th><td>removed"):
        assert shown in page
    assert "&lt;i&gt;</th><td>added" in page
    assert ">same</th>" not in page
    made.index.close()


def test_a_large_file_is_not_compared(tmp_path):
    made = Seeded(tmp_path / "data")
    made.admit("acme/large", {"config.json": b"1\n" * 40_000})
    made.admit("acme/large", {"config.json": b"2\n" * 40_000})
    with serving(create_app(made.catalog, made.blobs)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert "Too much to compare" in text(client, "/acme/large/-/diff")
    made.index.close()


def test_a_statement_is_downloaded_as_it_was_signed(pages, seeded):
    digest = re.search(rf"/{GOOD}/-/document/([0-9a-f]{{64}})", text(pages, f"/{GOOD}"))[1]
    answer = pages.get(f"/{GOOD}/-/document/{digest}")
    assert "attachment" in answer.headers["content-disposition"]
    snapshot = seeded.catalog.resolve(GOOD, now=seeded.now).snapshot
    known = {one.envelope.digest.hex: one.envelope.to_json() for one in seeded.index.statements_for(snapshot.id)}
    assert answer.json() == known[digest]
    assert pages.get(f"/{GOOD}/-/document/{'0' * 64}").status_code == 404


def test_every_page_is_under_a_strict_policy_and_has_no_script_of_its_own(pages):
    for path in ("/", "/-/models", f"/{GOOD}", "/-/requests", "/-/metrics", "/-/settings", f"/{EVIL}/-/decide"):
        answer = pages.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
        assert "unsafe" not in policy
        assert not re.search(r"<script(?! src=)|<style| style=| on[a-z]+=", answer.text), path


def test_figures_and_settings(pages):
    page = text(pages, "/-/metrics")
    assert "Files pulled by verdict: ADMIT 33" in page
    assert "ADMIT 2, HOLD 1, REJECT 2, revoked 1" in page
    assert "nobody may admit alone" in text(pages, "/-/settings")


def test_log_and_access_are_for_those_who_audit(pages, seeded):
    for path in ("/-/audit", "/-/access"):
        assert pages.get(path).status_code == 401
    auditor = _token(seeded, "carla", "auditor")
    page = pages.get("/-/audit", headers=auditor).text
    assert "Older" in page
    seen, path = [], "/-/audit"
    while path:
        page = pages.get(path, headers=auditor).text
        seen += map(int, re.findall(r'<th scope="row" class="number">(\d+)</th>', page))
        older = re.search(r'href="(/-/audit\?before=\d+)" rel="next">Older', page)
        path = older[1] if older else ""
    alarms = pages.get("/-/audit?group=alarms", headers=auditor).text
    assert set(re.findall(r"kind-([a-z-]+)", alarms)) == {"break-glass", "turned", "revoked"}
    assert "the demo is tomorrow" in alarms
    assert seen == list(range(seen[0], 0, -1))
    assert "carla" in pages.get("/-/access", headers=auditor).text


def test_a_long_history_is_cut_and_says_so(tmp_path):
    made = Seeded(tmp_path / "data")
    lineage, own = Lineage(made.index), Node("snapshot", made.catalog.resolve(GOOD, now=made.now).snapshot.id.hex)
    for number in range(120):
        lineage.link(Node("deployment", f"cluster-{number:03}"), own, "runs", "signed")
    app = create_app(made.catalog, made.blobs, clock=lambda: made.now)
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        page = text(client, f"/{GOOD}")
    assert len(re.findall(r"<td>deployment <code>", page)) == 100
    assert f"And 24 more: <code>assay lineage {GOOD}</code>" in page
    made.index.close()


def test_who_pulled_what_is_for_those_who_audit(pages, seeded):
    assert pages.get("/-/pulls").status_code == 401
    auditor = _token(seeded, "carla", "auditor")

    def rows(query):
        page = pages.get(f"/-/pulls?{query}", headers=auditor).text
        return set(re.findall(r'href="/-/pulls\?consumer=([^"]+)"', page))

    assert rows(f"name={GOOD}") == {"anna", "ci", "bob"}
    assert rows("consumer=anna") == {"anna"}
    assert rows(f"name={GOOD}&since=2999-01-01") == rows(f"name={EVIL}") == set()
    assert pages.get("/-/pulls?since=soon", headers=auditor).status_code == 400
    assert f'href="/-/pulls?name={GOOD}"' in pages.get(f"/{GOOD}", headers=auditor).text
    assert "/-/pulls" not in text(pages, f"/{GOOD}")


def test_what_came_of_the_last_requests(pages):
    page = text(pages, "/-/requests")
    assert re.search(r'acme/none</a></th><td><span class="word failed">failed', page)
    assert "the hub has no &lt;script&gt;" in page


def test_a_request_by_the_form(pages, seeded):
    developer = _token(seeded, "dora", "developer")
    assert 'method="post"' in pages.get("/-/requests", headers=developer).text
    form = {"name": "new/model", "revision": "", "reason": "for search"}
    answer = pages.post("/-/requests", data=form, headers=developer)
    assert answer.status_code == 303
    assert "waits to be vetted" in pages.get(answer.headers["location"], headers=developer).text
    wrong = pages.post("/-/requests", data={"name": "../etc"}, headers=developer)
    assert wrong.status_code == 400
    assert "not a model name" in wrong.text
    assert pages.post("/-/requests", data=form).status_code == 401


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("action=reject&reason=bad&person=anna", 200),
        ("action=approve&reason=good&person=anna", 200),
        ("action=quarantine&reason=bad&person=anna", 200),
        ("action=waive&reason=fine&person=anna&finding=config-odd@config.json&until=2099-01-31", 200),
        ("action=waive&reason=fine&person=anna&finding=config-odd&until=soon", 400),
        ("action=reject&reason=&person=anna", 400),
        ("action=delete&reason=x&person=anna", 400),
    ],
)
def test_a_proposal_is_a_statement_and_changes_nothing(pages, seeded, query, status):
    before = seeded.index.verify_log().head
    assert pages.get(f"/{EVIL}/-/proposal?{query}").status_code == status
    assert seeded.index.verify_log().head == before


def test_static_files_and_nothing_else(pages):
    style = pages.get("/-/static/page.css")
    assert style.headers["content-type"].startswith("text/css")
    again = pages.get("/-/static/page.css", headers={"If-None-Match": style.headers["etag"]})
    assert again.status_code == 304
    for name in ("__init__.py", "..%2Fapp.py", "nothing.css"):
        assert pages.get(f"/-/static/{name}").status_code == 404


def _token(seeded, person, role):
    words, _ = Tokens(seeded.index).create(
        person=person, roles=[role], name="test", by=person, now=seeded.now, lifetime=timedelta(days=1), scopes=[]
    )
    return {"Authorization": f"Bearer {words}"}
