import pytest

from assay.server.target import Target, parse_target

REV = "a" * 40


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", Target("page")),
        ("/healthz", Target("health")),
        ("/readyz", Target("ready")),
        ("/api/models", Target("models")),
        ("/api/whoami-v2", Target("whoami")),
        ("/api/models/gpt2", Target("info", "gpt2")),
        ("/api/models/org/name", Target("info", "org/name")),
        ("/api/models/gpt2/revision/main", Target("info", "gpt2", "main")),
        ("/api/models/org/name/revision/refs%2Fpr%2F1", Target("info", "org/name", "refs/pr/1")),
        (f"/api/models/org/name/tree/{REV}", Target("tree", "org/name", REV)),
        ("/api/models/gpt2/tree/main", Target("tree", "gpt2", "main")),
        ("/api/models/org/name/tree/main/a/b", Target("tree", "org/name", "main", "a/b")),
        ("/api/models/org/name/tree/main/a%2Fb", Target("tree", "org/name", "main", "a/b")),
        ("/api/models/org/name/refs", Target("refs", "org/name")),
        ("/api/models/gpt2/refs", Target("refs", "gpt2")),
        ("/api/models/org/name/auth-check", Target("auth-check", "org/name")),
        ("/api/models/org/name/paths-info/main", Target("paths-info", "org/name", "main")),
        ("/api/models/org/name/commits/main", Target("commits", "org/name", "main")),
        ("/api/models/org/tree", Target("info", "org/tree")),
        ("/gpt2/resolve/main/config.json", Target("file", "gpt2", "main", "config.json")),
        ("/org/name/resolve/main/a/b.json", Target("file", "org/name", "main", "a/b.json")),
        ("/org/name/resolve/main/%F0%9F%A4%97%0A%2541", Target("file", "org/name", "main", "🤗\n%41")),
        ("/org/name/resolve/main/100%252Fsure", Target("file", "org/name", "main", "100%2Fsure")),
        ("/org/name/resolve/main/../../etc/passwd", Target("file", "org/name", "main", "../../etc/passwd")),
        ("/org%2Fname/resolve/main/x", Target("file", "org/name", "main", "x")),
        (f"/api/assay/v1/attestations/org/name/{REV}", Target("attestations", "org/name", REV)),
        ("/api/assay/v1/attestations/gpt2/main", Target("attestations", "gpt2", "main")),
        ("/gpt2", Target("model-page", "gpt2")),
        ("/org/name", Target("model-page", "org/name")),
        ("/-/models", Target("models-page")),
        ("/-/static/page.css", Target("static", path="page.css")),
        ("/gpt2/-/diff", Target("diff-page", "gpt2")),
        ("/org/name/-/decide", Target("decide-page", "org/name")),
        ("/org/name/-/proposal", Target("proposal", "org/name")),
        ("/org/name/-/document/abc", Target("document", "org/name", path="abc")),
        ("/api/models/gpt2/branch/dev", Target("not-here", "gpt2", path="branch/dev")),
        ("/api/models/org/name/discussions", Target("not-here", "org/name", path="discussions")),
        ("/api/models/org/settings", Target("not-here", "org", path="settings")),
        ("/api/repos/move", Target("not-here", path="move")),
        ("/api/datasets/org/name", Target("other-kind")),
        ("/datasets/org/name/resolve/main/x", Target("other-kind")),
    ],
)
def test_what_a_path_asks_for(path, target):
    assert parse_target(path.encode()) == target


@pytest.mark.parametrize(
    "path",
    [
        "/-/nothing",
        "/favicon.ico",
        "/org/name/-/nothing",
        "/org/name/-/diff/x",
        "/-/static/a/b",
        "/api",
        "/api/",
        "/api/models/a/b/c",
        "/api/models/a/b/revision/x/y",
        "/org/name/resolve/main",
        "/x/y/z",
        "/org/name/resolve",
        "/api/assay/v1/attestations/x",
        "/api/assay/v1/attestations/a/b/c/d",
        "/org/name/resolve/main/%FF",
        "/resolve/main/x/y",
        "/org/name/resolve/main/a%00b",
        "/api/models/org/name/revision/%00",
    ],
)
def test_paths_that_ask_for_nothing(path):
    assert parse_target(path.encode()) is None


def test_bytes_that_are_no_url():
    assert parse_target("/org/näme/resolve/main/x".encode()) is None
