"""The client matrix: unmodified huggingface_hub 0.36, 1.x and 2.x against the registry over real HTTP."""

import hashlib
import json
import struct
from pathlib import Path

import pytest

from assay.server.app import create_app
from assay.store.blobs import open_blobs
from tests.e2e.clients import VERSIONS, Client
from tests.simulators.serving import serving
from tests.support.published import Publisher
from tests.support.s3 import new_bucket, running_s3

NAME = "org/model"
WHY = "pytorch_model.bin calls posix.system('echo 42')"
TENSOR = json.dumps({"w": {"dtype": "F32", "shape": [2, 64], "data_offsets": [0, 512]}}).encode()
FILES = {
    "README.md": b"# model",
    "config.json": b'{"model_type": "bert"}',
    "onnx/model.onnx": bytes(range(256)) * 40,
    "onnx/fp16/model.onnx": b"fp16",
    "model.safetensors": struct.pack("<Q", len(TENSOR)) + TENSOR + bytes(512),
    "weights.bin": bytes(range(251)) * 12_000,  # 3 MB
    "odd/🤗 100%2Fsure [1] #?&=.txt": b"odd",
    "empty": b"",
}
LAID_OUT = "laid/out"
LAYOUT = {
    "modules.json": b'[{"path": ""}, {"path": "1_Pooling"}]',
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
    "model_index.json": b'{"_class_name": "StableDiffusionPipeline", "unet": ["d", "U"], "text_encoder": ["t", "C"]}',
    "unet/config.json": b'{"sample_size": 8}',
    "unet/diffusion_pytorch_model.safetensors": FILES["model.safetensors"],
    "unet/diffusion_pytorch_model.bin": b"not asked for",
    "text_encoder/config.json": b'{"model_type": "clip_text_model"}',
}
SHA256 = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}


class Recorder:
    """Counts what clients ask for."""

    def __init__(self, app):
        self.app = app
        self.asked = []

    async def __call__(self, scope, receive, send):
        self.asked.append(f"{scope['method']} {scope['path']}")
        await self.app(scope, receive, send)


def make(folder):
    publisher = Publisher(folder)
    publisher.revision = publisher.admit(NAME, FILES)
    publisher.refuse("evil/modle", {"pytorch_model.bin": b"bad"}, WHY)
    publisher.app = Recorder(create_app(publisher.catalog, publisher.blobs))
    return publisher


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    publisher = make(tmp_path_factory.mktemp("shared") / "data")
    publisher.admit(LAID_OUT, LAYOUT)
    for number in range(5):
        publisher.admit(f"many/m{number}", {"config.json": b"%d" % number})
    with serving(publisher.app) as publisher.url:
        yield publisher
    publisher.index.close()


@pytest.fixture
def own(tmp_path):
    """A registry for one test alone."""
    publisher = make(tmp_path / "data")
    with serving(publisher.app) as publisher.url:
        yield publisher
    publisher.index.close()


@pytest.fixture(params=VERSIONS, ids=lambda version: f"hub-{version}")
def version(request):
    return request.param


@pytest.fixture
def client(shared, version, tmp_path):
    return Client(version, shared.url, tmp_path / "hf-home")


@pytest.fixture
def own_client(own, version, tmp_path):
    return Client(version, own.url, tmp_path / "hf-home")


def test_snapshot_download_on_main_and_pinned(client, shared):
    got = client.call("snapshot_download", repo_id=NAME)
    assert got["files"] == SHA256
    assert got["folder"].endswith(f"/snapshots/{shared.revision}")
    assert client.said == ""
    pinned = client.call("snapshot_download", repo_id=NAME, revision=shared.revision)
    assert pinned == got
    assert (client.cached(NAME) / "refs" / "main").read_text() == shared.revision
    assert {path.name for path in (client.cached(NAME) / "blobs").iterdir()} == set(SHA256.values())


def test_snapshot_download_pinned_into_an_empty_cache_and_with_patterns(client, shared):
    got = client.call("snapshot_download", repo_id=NAME, revision=shared.revision, allow_patterns="onnx/*")
    assert set(got["files"]) == {"onnx/model.onnx", "onnx/fp16/model.onnx"}


def test_hf_hub_download_asks_once_and_then_never_again_when_pinned(client, shared):
    path = "odd/🤗 100%2Fsure [1] #?&=.txt"
    got = client.call("hf_hub_download", repo_id=NAME, filename=path, revision=shared.revision)
    assert got["sha256"] == SHA256[path]
    shared.app.asked.clear()
    assert client.call("hf_hub_download", repo_id=NAME, filename=path, revision=shared.revision) == got
    assert shared.app.asked == []


def test_a_download_into_a_folder(client, tmp_path):
    got = client.call("snapshot_download", repo_id=NAME, local_dir=str(tmp_path / "here"))
    assert {path: sha for path, sha in got["files"].items() if not path.startswith(".cache")} == SHA256


def test_an_optional_file_that_is_missing(client, shared):
    error, text = client.fail("hf_hub_download", repo_id=NAME, filename="adapter_config.json")
    assert error in {"EntryNotFoundError", "RemoteEntryNotFoundError"}
    assert "has no file 'adapter_config.json'" in text
    assert (client.cached(NAME) / ".no_exist" / shared.revision / "adapter_config.json").exists()
    assert client.call("file_exists", repo_id=NAME, filename="adapter_config.json") is False
    assert client.call("file_exists", repo_id=NAME, filename="config.json") is True


def test_model_info(client, shared):
    info = client.call("model_info", repo_id=NAME, files_metadata=True, securityStatus=True)
    assert (info["id"], info["sha"], info["private"], info["gated"]) == (NAME, shared.revision, False, False)
    assert {item["rfilename"]: item["lfs"]["sha256"] for item in info["siblings"]} == SHA256
    assert {item["rfilename"]: item["size"] for item in info["siblings"]} == {p: len(c) for p, c in FILES.items()}
    assert info["security_repo_status"]["filesWithIssues"] == []
    assert info["last_modified"] is not None
    pinned = client.call("model_info", repo_id=NAME, revision=shared.revision, expand=["sha", "lastModified"])
    assert (pinned["sha"], pinned["siblings"]) == (shared.revision, None)


def test_listings(client, shared):
    assert set(client.call("list_repo_files", repo_id=NAME)) == set(FILES)
    items = client.call("list_repo_tree", repo_id=NAME, recursive=True, expand=True)
    files = {item["path"]: item for item in items if "size" in item}
    assert {path: item["lfs"]["sha256"] for path, item in files.items()} == SHA256
    assert all(item["security"]["safe"] for item in files.values())
    assert all(item["last_commit"]["oid"] == shared.revision for item in items)
    below = client.call("list_repo_tree", repo_id=NAME, path_in_repo="onnx")
    assert sorted(item["path"] for item in below) == ["onnx/fp16", "onnx/model.onnx"]
    error, _ = client.fail("list_repo_tree", repo_id=NAME, path_in_repo="additional_chat_templates")
    assert error in {"EntryNotFoundError", "RemoteEntryNotFoundError"}
    infos = client.call("get_paths_info", repo_id=NAME, paths=["config.json", "onnx", "none"], expand=True)
    assert [item["path"] for item in infos] == ["config.json", "onnx"]


def test_a_list_of_models_over_several_pages(client, shared):
    shared.app.asked.clear()
    found = client.call("list_models", search="many/", limit=4)
    assert [item["id"] for item in found] == ["many/m0", "many/m1", "many/m2", "many/m3"]
    assert [item["id"] for item in client.call("list_models", author="org")] == [NAME]
    assert "evil/modle" not in [item["id"] for item in client.call("list_models")]


def test_refs_commits_and_checks(client, shared):
    refs = client.call("list_repo_refs", repo_id=NAME)
    assert [(item["name"], item["target_commit"]) for item in refs["branches"]] == [("main", shared.revision)]
    assert [item["commit_id"] for item in client.call("list_repo_commits", repo_id=NAME)] == [shared.revision]
    assert client.call("auth_check", repo_id=NAME) is None
    assert client.call("repo_exists", repo_id=NAME) is True
    assert client.call("repo_exists", repo_id="org/none") is False
    assert client.call("revision_exists", repo_id=NAME, revision="v9") is False


def test_the_file_system_reads_ranges(client):
    data = FILES["weights.bin"]
    got = client.call("filesystem", model=NAME, path="weights.bin", start=1_000_000, end=1_010_000)
    assert got["part"] == got["cat"] == hashlib.sha256(data[1_000_000:1_010_000]).hexdigest()
    assert got["tail"] == hashlib.sha256(data[-10:]).hexdigest()
    assert got["whole"] == SHA256["weights.bin"]
    assert got["size"] == len(data)
    assert f"{NAME}/config.json" in got["ls"]
    assert got["glob"] == [f"{NAME}/onnx/fp16/model.onnx", f"{NAME}/onnx/model.onnx"]
    assert got["exists"] == [True, False]


def test_safetensors_headers_are_read_by_range(client):
    got = client.call("get_safetensors_metadata", repo_id=NAME)
    assert got["files_metadata"]["model.safetensors"]["tensors"]["w"]["shape"] == [2, 64]


def test_layouts_of_sentence_transformers_and_diffusers(client, shared):
    got = client.call("layouts", model=LAID_OUT)
    assert got["parts"] == ["unet", "text_encoder"]
    expected = {path for path in LAYOUT if "/" in path and not path.endswith(".bin")}
    assert got["files"] == {path: hashlib.sha256(LAYOUT[path]).hexdigest() for path in expected}


def test_a_data_set_is_refused_and_the_client_says_why(client):
    kind, said = client.fail("hf_hub_download", repo_id="org/data", filename="train.csv", repo_type="dataset")
    assert kind == "RepositoryNotFoundError"
    assert "this registry serves models only; load a data set from where it is kept" in said


def test_checksums(client):
    if client.version == "0.36":
        assert "no attribute" in client.fail("verify_repo_checksums", repo_id=NAME)[1]
        return
    got = client.call("snapshot_download", repo_id=NAME)
    checked = client.call("verify_repo_checksums", repo_id=NAME)
    assert checked["checked_count"] == len(FILES)
    assert checked["mismatches"] == checked["missing_paths"] == []
    with Path(got["folder"], "config.json").open("ab") as stream:
        stream.write(b" ")
    checked = client.call("verify_repo_checksums", repo_id=NAME)
    assert [item["path"] for item in checked["mismatches"]] == ["config.json"]
    assert checked["mismatches"][0]["algorithm"] == "sha256"


def test_the_command_line(client, tmp_path):
    done = client.hf("download", NAME, "--local-dir", str(tmp_path / "cli"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cli" / "weights.bin").read_bytes() == FILES["weights.bin"]
    refused = client.hf("download", "evil/modle")
    assert refused.returncode != 0
    assert WHY in refused.stderr
    unknown = client.hf("download", "org/modle")
    assert unknown.returncode != 0
    assert f"did you mean {NAME}?" in unknown.stderr


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["snapshot_download", "hf_hub_download", "model_info"])
def test_the_reason_of_a_refusal_is_printed(client, call):
    more = {"filename": "config.json"} if call == "hf_hub_download" else {}
    error, text = client.fail(call, repo_id="evil/modle", **more)
    assert error == "GatedRepoError"
    assert WHY in text
    assert "rejected" in text
    assert (WHY in client.said) is (client.version != "0.36")  # as a warning too, since 1.0


@pytest.mark.parametrize("call", ["snapshot_download", "hf_hub_download", "model_info"])
def test_a_name_that_nobody_vetted(client, call):
    more = {"filename": "config.json"} if call == "hf_hub_download" else {}
    error, text = client.fail(call, repo_id="org/modle", **more)
    assert error == "RepositoryNotFoundError"
    assert f"did you mean {NAME}?" in text
    assert "assay vet hf://org/modle" in text


@pytest.mark.parametrize("call", ["snapshot_download", "hf_hub_download"])
def test_what_was_revoked_is_not_taken_from_the_cache(own, own_client, call):
    more = {"filename": "config.json"} if call == "hf_hub_download" else {}
    own_client.call(call, repo_id=NAME, **more)
    own.revoke(NAME, "backdoor found")
    error, text = own_client.fail(call, repo_id=NAME, **more)
    assert error == "RevisionNotFoundError"
    assert "backdoor found" in text
    assert ("backdoor found" in own_client.said) is (own_client.version != "0.36")


@pytest.mark.parametrize("call", ["snapshot_download", "hf_hub_download"])
def test_what_a_later_verdict_refuses_is_not_taken_from_the_cache(own, own_client, call):
    more = {"filename": "config.json"} if call == "hf_hub_download" else {}
    own_client.call(call, repo_id=NAME, **more)
    own.refuse(NAME, FILES, "a new rule found it")
    error, text = own_client.fail(call, repo_id=NAME, **more)
    assert error == "RevisionNotFoundError"
    assert "a new rule found it" in text


def test_main_moves_by_a_decision_and_clients_follow(own, own_client):
    own_client.call("hf_hub_download", repo_id=NAME, filename="config.json")
    second = own.admit(NAME, {"config.json": b"second"})
    got = own_client.call("hf_hub_download", repo_id=NAME, filename="config.json")
    assert got["sha256"] == SHA256["config.json"]
    own.move(NAME, second)
    got = own_client.call("hf_hub_download", repo_id=NAME, filename="config.json")
    assert got["sha256"] == hashlib.sha256(b"second").hexdigest()
    assert second in got["path"]


def test_a_damaged_blob_never_becomes_a_file_of_the_client(own, own_client):
    entry = own.catalog.resolve(NAME).snapshot.entry("weights.bin")
    path = own.blobs.local_path(entry.digest)
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    _, text = own_client.fail("hf_hub_download", repo_id=NAME, filename="weights.bin")
    if own_client.version == "0.36":  # gives up at once; 1.x and 2.x have resumed already
        _, text = own_client.fail("hf_hub_download", repo_id=NAME, filename="weights.bin")
    assert "is not what its name says" in text
    blobs = own_client.cached(NAME) / "blobs"
    assert not (blobs / entry.digest.hex).exists()
    assert all(len(left.read_bytes()) < len(content) for left in blobs.iterdir())


# --- files by link --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_s3(tmp_path_factory):
    """Blobs in object storage: the registry answers with links, the client follows them to another host."""
    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    with running_s3() as endpoint, pytest.MonkeyPatch.context() as patch:
        for name, value in (settings | {"AWS_ENDPOINT_URL": endpoint}).items():
            patch.setenv(name, value)
        new_bucket(endpoint, "models")
        publisher = Publisher(tmp_path_factory.mktemp("in-s3") / "data")
        publisher.blobs = open_blobs("s3://models/prefix")
        publisher.revision = publisher.admit(NAME, FILES)
        publisher.app = Recorder(create_app(publisher.catalog, publisher.blobs))
        with serving(publisher.app) as publisher.url:
            yield publisher
        publisher.index.close()


def test_files_by_link_into_object_storage(in_s3, version, tmp_path):
    client = Client(version, in_s3.url, tmp_path / "hf-home")
    assert client.call("snapshot_download", repo_id=NAME)["files"] == SHA256
    got = client.call("filesystem", model=NAME, path="weights.bin", start=1_000_000, end=1_010_000)
    assert got["part"] == hashlib.sha256(FILES["weights.bin"][1_000_000:1_010_000]).hexdigest()
    error, _ = client.fail("hf_hub_download", repo_id=NAME, filename="none")
    assert error in {"EntryNotFoundError", "RemoteEntryNotFoundError"}
