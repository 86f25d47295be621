from collections import Counter

import pytest

from assay.core.digest import Digest
from assay.core.errors import IntegrityError, SourceError, UsageError
from assay.core.limits import Limits
from assay.sources import hub_client
from assay.sources.hub import fetch_hub
from assay.sources.hub_ref import HubRef
from assay.store.blobs import open_blobs
from tests.simulators.hub import HubSimulator

NAME = "org/model"
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "onnx/model.onnx": bytes(range(256)) * 40,
    "weights.safetensors": b"\x10" * 50_000,
    "odd/🤗 100%2F\nname.txt": b"odd",
    "empty": b"",
}


@pytest.fixture
def blobs(tmp_path):
    return open_blobs(tmp_path / "blobs")


@pytest.fixture
def hub():
    simulator = HubSimulator()
    simulator.add(NAME, {"config.json": b"{}"})
    simulator.commit = simulator.add(NAME, FILES)
    with simulator.running() as url:
        simulator.url = url
        yield simulator


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(hub_client, "_backoff", lambda failures: 0.0)


def fetch(hub, blobs, ref=f"hf://{NAME}", **options):
    return fetch_hub(HubRef.parse(ref), hub.url, blobs, **options)


def test_the_snapshot_holds_every_file_at_one_commit(hub, blobs):
    snapshot = fetch(hub, blobs)
    assert {e.path: b"".join(blobs.stream(e.digest)) for e in snapshot.files} == FILES
    origin = snapshot.origin
    assert (origin.kind, origin.name, origin.requested, origin.commit) == ("hub", NAME, "main", hub.commit)
    assert origin.uri == f"{hub.url}/{NAME}"


def test_a_pinned_revision_and_a_name_that_the_hub_writes_differently(hub, blobs):
    first = next(iter(hub.repos[NAME]))
    hub.aliases["old-name"] = NAME
    snapshot = fetch(hub, blobs, f"hf://old-name@{first}")
    assert [e.path for e in snapshot.files] == ["config.json"]
    assert (snapshot.origin.name, snapshot.origin.uri) == ("old-name", f"{hub.url}/{NAME}")
    assert (snapshot.origin.requested, snapshot.origin.commit) == (first, first)


def test_main_that_moves_while_it_is_read_changes_nothing(hub, blobs):
    def move(what, done, total):
        hub.add(NAME, {"config.json": b"another"})

    assert fetch(hub, blobs, progress=move).origin.commit == hub.commit


def test_a_listing_of_many_pages(hub, blobs):
    hub.page = 2
    assert len(fetch(hub, blobs).files) == len(FILES)
    assert hub.asked("/tree/") == 4  # 5 files and 2 folders


def test_progress_reaches_the_total(hub, blobs):
    seen = []
    fetch(hub, blobs, progress=lambda what, done, total: seen.append((done, total)))
    total = sum(map(len, FILES.values()))
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)


def test_large_files_that_the_store_has_are_not_fetched_again(hub, blobs):
    fetch(hub, blobs)
    hub.requests.clear()
    assert len(fetch(hub, blobs).files) == len(FILES)
    assert hub.asked("weights.safetensors") == 0
    assert hub.asked("config.json") == 1


def test_a_blob_that_was_planted_in_the_store_is_not_taken_for_the_hubs_file(hub, blobs):
    fetch(hub, blobs)
    path = blobs.local_path(Digest.of(FILES["weights.safetensors"]))
    path.chmod(0o600)
    path.write_bytes(b"harmless".ljust(50_000))
    with pytest.raises(IntegrityError, match="is not what its name says"):
        fetch(hub, blobs)


# --- broken connections and busy hubs ---------------------------------------------------------------------------------


def test_a_connection_that_breaks_is_resumed_where_it_broke(hub, blobs):
    hub.faults.truncate, hub.faults.truncate_after = 3, 9_000
    assert len(fetch(hub, blobs).files) == len(FILES)
    ranges = [headers["range"] for _, path, headers in hub.requests if "range" in headers]
    assert "bytes=9000-" in ranges
    assert "if-range" in next(headers for _, _, headers in hub.requests if "range" in headers)


def test_a_hub_that_ignores_ranges_starts_again_and_the_bytes_are_still_right(hub, blobs):
    hub.faults.truncate, hub.faults.truncate_after, hub.faults.ignore_range = 2, 9_000, True
    snapshot = fetch(hub, blobs)
    assert snapshot.entry("weights.safetensors").digest == Digest.of(FILES["weights.safetensors"])


def test_a_file_that_always_breaks_off_at_the_same_place_is_given_up(hub, blobs):
    hub.faults.truncate, hub.faults.truncate_after, hub.faults.ignore_range = 1000, 500, True
    with pytest.raises(SourceError, match=r"after 500 of \d+ bytes: .*run the command again"):
        fetch(hub, blobs)
    asked = Counter(path for _, path, _ in hub.requests if "/resolve/" in path)
    assert max(asked.values()) == 1 + hub_client.ATTEMPTS  # of the first that is given up; the others end with it


def test_a_file_that_comes_in_crumbs_is_given_up(hub, blobs, monkeypatch):
    monkeypatch.setattr(hub_client, "MAX_RESUMES", 10)
    hub.faults.truncate, hub.faults.truncate_after = 10**6, 1
    with pytest.raises(SourceError, match=r"after 11 of \d+ bytes"):  # of whichever file came that far first
        fetch(hub, blobs)


def test_a_file_that_changes_between_two_connections(hub, blobs):
    hub.faults.truncate, hub.faults.new_etag = 1, True
    with pytest.raises(SourceError, match="changed at the hub"):
        fetch(hub, blobs)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_busy_answers_are_retried(hub, blobs, status):
    hub.faults.fail, hub.faults.fail_status = hub_client.ATTEMPTS - 1, status
    assert len(fetch(hub, blobs).files) == len(FILES)


def test_a_hub_that_stays_busy(hub, blobs):
    hub.faults.fail = 10**6
    with pytest.raises(SourceError, match=r"answers 503 for org/model@main.*try again later"):
        fetch(hub, blobs)
    assert len(hub.requests) == hub_client.ATTEMPTS


def test_retry_after_is_kept_and_a_long_one_reported(hub, blobs):
    waits = []
    hub.faults.fail, hub.faults.retry_after = 2, "7"
    with hub_client.HubClient(hub.url, sleep=waits.append) as client:
        assert client.resolve(NAME, "main") == (NAME, hub.commit)
        assert waits == [7.0, 7.0]
        hub.faults.fail, hub.faults.retry_after = 1, "3600"
        with pytest.raises(SourceError, match="asks to wait 3600 s"):
            client.resolve(NAME, "main")
        hub.faults.fail, hub.faults.retry_after = 1, "Wed, 21 Oct 2015 07:28:00 GMT"
        client.resolve(NAME, "main")


def test_a_hub_that_stalls(hub, blobs):
    hub.faults.stall = 0.5
    with pytest.raises(SourceError, match="no answer in time"):
        fetch(hub, blobs, timeout=0.05)


def test_an_unreachable_hub(blobs):
    with pytest.raises(SourceError, match=r"can't be reached: .*refused.*check --hub-url"):
        fetch_hub(HubRef(NAME), "http://127.0.0.1:9", blobs)
    with pytest.raises(SourceError, match="can't be resolved"):
        fetch_hub(HubRef(NAME), "http://no-such-host.invalid", blobs)


# --- hubs that lie ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["config.json", "weights.safetensors"])
def test_bytes_that_are_not_what_the_listing_says(hub, blobs, path):
    hub.repos[NAME][hub.commit] = {path: FILES[path]}
    hub.faults.wrong_bytes = True
    with pytest.raises(SourceError, match=f"'{path}': the bytes are not what the listing"):
        fetch(hub, blobs)


def test_longer_and_shorter_than_listed(hub, blobs):
    hub.faults.extra_bytes = 1
    with pytest.raises(SourceError, match="longer than the listing says"):
        fetch(hub, blobs)
    hub.faults.extra_bytes, hub.faults.listed_size = 0, 10**6
    with pytest.raises(SourceError, match="shorter than the listing says"):
        fetch(hub, blobs)


@pytest.mark.parametrize("path", ["../escape", "/etc/passwd", "a//b", "nul\0", "config.json", "."])
def test_listings_with_unusable_names(hub, blobs, path):
    hub.faults.listed_path = path
    with pytest.raises(SourceError, match=r"entry that can't be taken|a file twice"):
        fetch(hub, blobs)


def test_a_path_that_is_both_file_and_folder(hub, blobs):
    hub.repos[NAME][hub.commit] = {"a/b": b"1", "a": b"2"}
    with pytest.raises(SourceError, match="both file and directory"):
        fetch(hub, blobs)


@pytest.mark.parametrize("size", [-1, 1 << 60, True, "12", None])
def test_listings_with_sizes_that_are_none(hub, blobs, size):
    hub.faults.listed_size = size
    hub.repos[NAME][hub.commit] = {"config.json": b""}
    if size is None:
        hub.faults.listed_size = float("1.5")
    with pytest.raises(SourceError, match="not a file with a size"):
        fetch(hub, blobs)


def test_too_many_files_and_a_listing_without_end(hub, blobs):
    with pytest.raises(SourceError, match="more than 3 entries"):
        fetch(hub, blobs, limits=Limits(files=3))
    hub.faults.next_page = f"{hub.url}/api/models/{NAME}/tree/main?cursor=0"
    with pytest.raises(SourceError, match=r"a file twice|more than"):
        fetch(hub, blobs)


def test_another_commit_than_asked_for(hub, blobs):
    hub.faults.other_commit = True
    with pytest.raises(SourceError, match="from another commit"):
        fetch(hub, blobs)


def test_packed_answers_and_answers_that_are_no_json(hub, blobs):
    hub.faults.gzip = True
    with pytest.raises(SourceError, match="although asked not to"):
        fetch(hub, blobs)
    hub.faults.not_json = True
    with pytest.raises(SourceError, match=r"does not answer in JSON.*is it a hub"):
        fetch(hub, blobs)


def test_an_answer_without_end_is_cut_off(hub, blobs, monkeypatch):
    monkeypatch.setattr(hub_client, "MAX_JSON", 100)
    with pytest.raises(SourceError, match="more than 100 bytes"):
        fetch(hub, blobs)


# --- refusals and references ------------------------------------------------------------------------------------------


def test_refusals_say_what_to_do(hub, blobs):
    with pytest.raises(SourceError, match=r"has no org/other@main \(RepoNotFound\)"):
        fetch(hub, blobs, "hf://org/other")
    with pytest.raises(SourceError, match=r"has no org/model@v9 \(RevisionNotFound\).*check the name and the revision"):
        fetch(hub, blobs, "hf://org/model@v9")
    hub.faults.gated = True
    with pytest.raises(SourceError, match=r"403 GatedRepo.*restricted.*ASSAY_HUB_TOKEN"):
        fetch(hub, blobs)


def test_a_token(hub, blobs):
    hub.needs_token = "hf_secret"
    with pytest.raises(SourceError, match=r"401.*ASSAY_HUB_TOKEN"):
        fetch(hub, blobs)
    assert len(fetch(hub, blobs, token="hf_secret").files) == len(FILES)
    with pytest.raises(UsageError, match="token") as caught:
        fetch(hub, blobs, token="evil\r\nX: y")
    assert "evil" not in str(caught.value)


def test_references():
    assert HubRef.parse("hf://org/name@refs/pr/1") == HubRef("org/name", "refs/pr/1")
    assert str(HubRef.parse("hf://gpt2")) == "hf://gpt2@main"
    for wrong in (
        "org/name",
        "hf://",
        "hf://a/b/c",
        "hf://../x",
        "hf://a/b@" + "x" * 256,
        "hf://a/b@x\n",
        "hf://a/b@../..",
    ):
        with pytest.raises(UsageError):
            HubRef.parse(wrong)
