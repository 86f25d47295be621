"""What sources tell beside the bytes. Each time one fact of the source is changed, and what is told must follow."""

import os
import subprocess
import zlib

import pytest

from assay.sources import git_history, hub_told
from assay.sources.directory import fetch_directory
from assay.sources.git_history import told_by_checkout
from assay.sources.hub import fetch_hub
from assay.sources.hub_ref import HubRef
from assay.sources.hub_told import told_by_hub
from assay.store.blobs import open_blobs
from tests.simulators.hub import HubSimulator

NAME = "org/model"
RESULTS = "---\nmodel-index:\n- name: m\n  results: [{value: %s}]\nlicense: mit\n---\n"


@pytest.fixture
def blobs(tmp_path):
    return open_blobs(tmp_path / "blobs")


@pytest.fixture
def hub():
    simulator = HubSimulator()
    commits = [
        simulator.add(NAME, {"config.json": b"{}"}),
        simulator.add(NAME, {"config.json": b"{}", "model.safetensors": b"1" * 2000, "README.md": b"old"}),
        simulator.add(NAME, {"config.json": b"{}", "model.safetensors": b"1" * 2000, "README.md": b"new"}),
    ]
    for number, commit in enumerate(commits):
        simulator.dates[commit] = f"2026-01-0{number + 1}T10:00:00.000Z"
        simulator.authors[commit] = ("anna", "ben", "anna")[number]
    simulator.commits = commits
    with simulator.running() as url:
        simulator.url = url
        yield simulator


def told(hub, blobs):
    snapshot = fetch_hub(HubRef(NAME), hub.url, blobs)
    return told_by_hub(NAME, snapshot, hub.url)


def test_a_hub_tells_who_changed_the_weights_last(hub, blobs):
    history = told(hub, blobs)["history"]
    first, second, third = hub.commits
    assert (history["commits"], history["authors"], history["complete"]) == (3, 2, True)
    assert history["named"] == [["anna", 2], ["ben", 1]]
    assert (history["first"]["id"], history["first"]["at"]) == (first, "2026-01-01T10:00:00Z")
    assert history["last"]["id"] == third
    weights = history["weights"]["last"]
    assert (weights["id"], weights["author"], weights["at"]) == (second, "ben", "2026-01-02T10:00:00Z")
    assert history["card"]["last"]["id"] == third
    again = hub.add(NAME, {"config.json": b"{}", "model.safetensors": b"2" * 2000, "README.md": b"new"})
    hub.authors[again], hub.dates[again] = "carla", "2026-02-01T00:00:00+02:00"
    weights = told(hub, blobs)["history"]["weights"]["last"]
    assert (weights["id"], weights["author"], weights["at"]) == (again, "carla", "2026-01-31T22:00:00Z")


def test_a_hub_tells_of_the_account_what_it_says(hub, blobs):
    assert "404" in told(hub, blobs)["account"]["problem"]
    hub.accounts["users/org"] = {"user": "org", "createdAt": "2025-12-01T00:00:00.000Z"}
    account = told(hub, blobs)["account"]
    assert account == {"owner": "org", "kind": "user", "created_at": "2025-12-01T00:00:00Z", "verified": None}
    hub.accounts["organizations/org"] = {"name": "org", "isVerified": True}
    account = told(hub, blobs)["account"]
    assert account == {"owner": "org", "kind": "organization", "created_at": "", "verified": True}


def test_a_hub_that_tells_nothing_costs_no_model(hub, blobs):
    snapshot = fetch_hub(HubRef(NAME), hub.url, blobs)
    hub.faults.fail = 100
    before = len(hub.requests)
    found = told_by_hub(NAME, snapshot, hub.url)
    assert "503" in found["history"]["problem"]
    assert "503" in found["account"]["problem"]
    assert len(hub.requests) - before == 3  # asked once each, without patience
    hub.faults.fail, hub.faults.not_json = 0, True
    assert "JSON" in told_by_hub(NAME, snapshot, hub.url)["history"]["problem"]


def test_a_hub_without_end_is_cut_off_and_that_is_said(hub, blobs, monkeypatch):
    snapshot = fetch_hub(HubRef(NAME), hub.url, blobs)
    monkeypatch.setattr(hub_told, "MOST_PAGES", 2)
    hub.faults.next_page = f"{hub.url}/api/models/{NAME}/tree/{hub.commits[-1]}?expand=true&recursive=true"
    weights = told_by_hub(NAME, snapshot, hub.url)["history"]["weights"]
    assert weights["last"] is None
    assert "more files than are looked at" in weights["problem"]


@pytest.mark.parametrize(
    "item",
    [{"id": "x"}, {"id": "a" * 40, "authors": "anna"}, {"id": "a" * 40, "authors": [{"user": 7}], "date": 12},
     {"id": "a" * 40, "date": "9999-99-99", "title": ["t"]}, {"id": "a" * 40, "date": "2026-01-01T00:00:00+99:99"}],
)  # fmt: skip
def test_a_commit_that_a_hub_words_wrongly_is_no_error(item):
    change = hub_told._change(item)
    assert change is None or (change.at, change.title) == ("", "")


# --- checkouts --------------------------------------------------------------------------------------------------------


def git(folder, *args, who="Anna", at="2026-01-01T00:00:00Z"):
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_DATE": at,
           "GIT_COMMITTER_DATE": at, "GIT_AUTHOR_NAME": who, "GIT_COMMITTER_NAME": who,
           "GIT_AUTHOR_EMAIL": "a@b.test", "GIT_COMMITTER_EMAIL": "a@b.test"}  # fmt: skip
    done = subprocess.run(["git", "-C", folder, *args], env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder, who="Anna", at="2026-01-01T00:00:00Z", **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", f"by {who}\n\nmore", who=who, at=at)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    folder_commits = [
        commit(folder, at="2026-01-01T00:00:00Z", model__safetensors="weights " * 500, README__md=RESULTS % 1),
        commit(folder, "Ben", "2026-01-02T00:00:00Z", model__safetensors="weights " * 499 + "others"),
        commit(folder, "Carla", "2026-01-03T00:00:00Z", README__md=RESULTS % 1 + "prose"),
    ]
    return folder, folder_commits


def history_of(folder, blobs):
    return told_by_checkout(folder, fetch_directory(folder, "", blobs))["history"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_checkout_tells_who_changed_the_weights_and_when(checkout, blobs, packed):
    folder, (first, second, third) = checkout
    if packed:  # deltas, a packed branch, no loose object
        git(folder, "gc", "-q", "--aggressive")
        assert not list((folder / ".git/objects").glob("[0-9a-f][0-9a-f]"))
    history = history_of(folder, blobs)
    assert (history["source"], history["head"], history["commits"], history["authors"]) == ("git", third, 3, 3)
    assert history["first"] == {"id": first, "at": "2026-01-01T00:00:00Z", "author": "Anna", "title": "by Anna"}
    weights = history["weights"]
    assert (weights["first"]["id"], weights["last"]["id"], weights["changes"]) == (first, second, 2)
    assert weights["last"]["author"] == "Ben"
    assert weights["same"] is True
    assert (history["card"]["basis"], history["card"]["last"]["id"]) == ("evaluation", first)  # prose is no result


def test_the_model_of_a_checkout_is_without_its_git_folder(checkout, blobs):
    folder, _ = checkout
    assert [entry.path for entry in fetch_directory(folder, "", blobs).files] == ["README.md", "model.safetensors"]


def test_a_merge_that_takes_the_weights_of_a_branch_is_no_change_of_its_own(checkout, blobs):
    folder, (first, *_) = checkout
    git(folder, "checkout", "-q", "-b", "side", first)
    side = commit(folder, "Dora", "2026-01-04T00:00:00Z", model__safetensors="side")
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "-X", "theirs", "-m", "merge", "side", who="Eve", at="2026-01-05T00:00:00Z")
    last = history_of(folder, blobs)["weights"]["last"]
    assert (last["id"], last["author"]) == (side, "Dora")


def test_weights_that_were_not_committed_have_no_history(checkout, blobs):
    folder, _ = checkout
    (folder / "model.safetensors").write_text("uncommitted")
    assert history_of(folder, blobs)["weights"]["same"] is False


def test_weights_in_large_file_storage_are_known_by_their_digest(checkout, blobs):
    folder, _ = checkout
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 3\n"
    commit(folder, model__safetensors=pointer.format("e" * 64))
    (folder / "model.safetensors").write_text("abc")
    assert history_of(folder, blobs)["weights"]["same"] is False
    commit(
        folder, model__safetensors=pointer.format("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    )
    (folder / "model.safetensors").write_text("abc")
    assert history_of(folder, blobs)["weights"]["same"] is True


def test_a_shallow_clone_knows_no_beginning(checkout, blobs, tmp_path):
    folder, (_, second, third) = checkout
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{folder}", "shallow")
    history = history_of(tmp_path / "shallow", blobs)
    assert (history["commits"], history["complete"], history["first"]) == (2, False, None)
    assert history["weights"]["first"] is None
    assert history["weights"]["last"] is None  # the older of the two may have had them already
    assert history["head"] == third != second


def test_no_hook_filter_or_alternate_is_followed(checkout, blobs, tmp_path):
    folder, _ = checkout
    ran = tmp_path / "ran"
    (folder / ".git/config").write_text(f"[core]\nfsmonitor = touch {ran}\nhooksPath = {tmp_path}\nworktree = /\n")
    (folder / ".gitattributes").write_text("* filter=evil\n")
    (folder / ".git/objects/info").mkdir(exist_ok=True)
    (folder / ".git/objects/info/alternates").write_text("/\n")
    assert history_of(folder, blobs)["commits"] == 3
    assert not ran.exists()


def loose(folder, kind, content, name=None):
    """Write a loose object, under its own id or another one."""
    import hashlib

    data = f"{kind} {len(content)}\0".encode() + content
    name = name or hashlib.sha1(data).hexdigest()
    path = folder / ".git/objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(zlib.compress(data))
    return name


def test_hostile_repositories_are_told_and_cost_little(checkout, blobs, monkeypatch):
    folder, (first, _, third) = checkout
    head = folder / ".git/refs/heads/main"
    whole = git(folder, "cat-file", "commit", third)

    def problem():
        return history_of(folder, blobs)["problem"]

    loose(folder, "commit", whole.replace("Carla", "Mallory").encode(), third)  # rewritten in place
    assert "not what its id says" in problem()
    endless = loose(folder, "commit", b"tree " + b"0" * (9 << 20))  # unpacks to more than an object may have
    head.write_text(endless)
    assert "more than" in problem()
    head.write_text("e" * 40)
    assert "does not hold" in problem()
    (folder / ".git/HEAD").write_text("ref: refs/heads/../../../../etc/passwd")
    assert "names no branch" in problem()
    (folder / ".git/HEAD").write_text("ref: refs/heads/main")
    around = loose(folder, "commit", f"tree {first}\nauthor {'<' * 200_000}\n\nx".encode())
    head.write_text(around)
    assert "folder" in problem()  # its tree is a commit
    head.write_text(first)
    monkeypatch.setattr(git_history, "MOST_ENTRIES", 1)
    assert "too many entries" in problem()


def test_a_broken_pack_is_told(checkout, blobs):
    folder, _ = checkout
    git(folder, "gc", "-q", "--aggressive")
    (pack,) = (folder / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    for at in range(12, len(data) - 20, 7):
        data[at] ^= 0x5A
    pack.write_bytes(data)
    assert "can't be read" in history_of(folder, blobs)["problem"]
