"""Uploads by stock clients: quarantine first, a verdict, and only then a pull. Inline, LFS and Xet."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from assay.admission.request import HubAccess
from assay.admission.worker import Worker
from assay.inspections.origin import OriginProof
from assay.policy.model import load_policy
from assay.provenance.keys import KeyRing
from assay.provenance.trust import trust_entry, write_trust
from assay.registry.queue import FAILED, WorkQueue
from assay.registry.records import Refused
from assay.registry.tokens import Tokens
from assay.registry.uploads import XORB, Uploads
from assay.server.app import create_app
from tests.admission.world import POLICY, Reader, World
from tests.e2e.clients import VERSIONS, Client
from tests.simulators.serving import serving

if TYPE_CHECKING:
    from pathlib import Path

NAME = "acme/uploaded"
MIB = 1 << 20
WITHOUT_XET = {"HF_HUB_DISABLE_XET": "1"}


def weights(size: int) -> bytes:
    """Numbers that compress a little, as weights do: Xet clients group their bytes."""
    block = b"".join(struct.pack("<f", 0.001 * number) for number in range(16_384))
    return (block * (size // len(block) + 1))[:size]


FILES = {"config.json": b'{"model_type": "bert"}', "README.md": b"# a model\n", "model.safetensors": weights(11 * MIB)}


class Place:
    """A data directory, its server, and a worker to run by hand."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.world = World(folder)
        self.index, self.catalog = self.world.index, self.world.catalog
        self.app = create_app(self.catalog, self.world.blobs)
        self.url = ""

    def token(self, person: str = "ann") -> str:
        made = Tokens(self.index).create(
            person=person, roles=["developer"], name=person, by="root", now=datetime.now(UTC)
        )
        return made[0]

    def client(self, home: Path, version: str, person: str = "ann", **extra: str) -> Client:
        return Client(version, self.url, home, token=self.token(person), extra=extra)

    def work(self) -> list[str]:
        said: list[str] = []
        with self.world.admission() as admission:
            Worker(admission, self.index, self.world.blobs, HubAccess()).run(lambda _: False, said.append, once=True)
        return said


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path / "data")
    with serving(made.app) as made.url:
        yield made
    made.index.close()


def folder_of(path: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return str(path)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("version", "extra"),
    [("0.36", WITHOUT_XET), ("1", WITHOUT_XET), ("1", {}), ("2", WITHOUT_XET), ("2", {})],
    ids=["0.36-lfs", "1-lfs", "1-xet", "2-lfs", "2-xet"],
)
def test_uploaded_quarantined_vetted_pulled(place, tmp_path, version, extra):
    client = place.client(tmp_path / "home", version, **extra)
    model = folder_of(tmp_path / "model", FILES)
    client.call("create_repo", repo_id=NAME, exist_ok=True)
    done = client.call("upload_folder", repo_id=NAME, folder_path=model, commit_message="first")
    commit = done["oid"] if isinstance(done, dict) else str(done)
    kind, text = client.fail("snapshot_download", repo_id=NAME)
    assert kind in {"RepositoryNotFoundError", "GatedRepoError"}
    assert "being vetted" in text
    (item,) = WorkQueue(place.index).about(NAME)
    assert (item.asked_by, item.reason) == ("ann", "first")
    assert bool(Uploads(place.index, place.world.blobs).xet_of(NAME, "ann")[XORB]) is not bool(extra)
    assert place.work() == [f"ADMIT {NAME}"]
    pulled = client.call("snapshot_download", repo_id=NAME)
    assert pulled["files"] == {path: sha256(content) for path, content in FILES.items()}
    assert place.catalog.resolve(NAME).revision == commit
    rows = place.app.state.registry.ledger.find(name=NAME)
    assert {(row.consumer.name, row.revision, row.files) for row in rows} == {("ann", commit, 3)}


def test_a_poisoned_upload_is_refused_and_mended_by_the_next_commit(place, tmp_path):
    client = place.client(tmp_path / "home", "2")
    client.call("upload_folder", repo_id=NAME, folder_path=folder_of(tmp_path / "bad", FILES | {"evil.txt": b"EVIL"}))
    assert place.work() == [f"REJECT {NAME}"]
    kind, text = client.fail("snapshot_download", repo_id=NAME)
    assert kind == "GatedRepoError"
    assert "calls out" in text
    client.call("delete_file", repo_id=NAME, path_in_repo="evil.txt")
    assert place.work() == [f"ADMIT {NAME}"]
    assert set(client.call("snapshot_download", repo_id=NAME)["files"]) == set(FILES)


def signed(folder: Path, key: Path) -> None:
    """By the OpenSSF tool, as a publisher would."""
    command = [sys.executable, "-m", "model_signing", "sign", "key", "--private_key", str(key)]
    subprocess.run(
        [*command, "--signature", str(folder / "model.sig"), str(folder)], check=True, capture_output=True, timeout=120
    )


def test_a_policy_refuses_an_upload_that_no_publisher_signed(place, tmp_path):
    keys, trust = tmp_path / "keys", tmp_path / "trust.toml"
    keys.mkdir()
    publishers = [trust_entry(KeyRing.add(keys, "publisher"), ["publisher"], now=datetime.now(UTC) - timedelta(days=1))]
    write_trust(trust, 'schema = "assay.trust/v1"\nmax_age_days = 30\n' + "".join(publishers))
    text = POLICY.replace('["reader"]', '["reader", "origin"]') + '[rules]\norigin-unsigned = "reject"\n'
    policy, inspectors = load_policy(text), (Reader(), OriginProof(trust))
    files = {path: content for path, content in FILES.items() if path != "model.safetensors"} | {"model.bin": b"w" * 99}
    client, model = place.client(tmp_path / "home", "2", **WITHOUT_XET), tmp_path / "model"

    def upload() -> list[str]:
        client.call("upload_folder", repo_id=NAME, folder_path=str(model))
        said: list[str] = []
        with place.world.admission(policy=policy, inspectors=inspectors) as admission:
            work = Worker(admission, place.index, place.world.blobs, HubAccess())
            work.run(lambda _: False, said.append, once=True)
        return said

    folder_of(model, files)
    assert upload() == [f"REJECT {NAME}"]
    kind, told = client.fail("snapshot_download", repo_id=NAME)
    assert kind == "GatedRepoError"
    assert "origin-unsigned" in told
    stranger = KeyRing.create(tmp_path / "stranger").public("registry")
    assert stranger != KeyRing.read(keys / "publisher.pem", "publisher").public
    signed(model, tmp_path / "stranger" / "registry.pem")
    assert upload() == [f"REJECT {NAME}"], "signed, but by a key that the trust file does not list"
    (model / "model.sig").unlink()
    signed(model, keys / "publisher.pem")
    assert upload() == [f"ADMIT {NAME}"]
    assert set(client.call("snapshot_download", repo_id=NAME)["files"]) == {*files, "model.sig"}


def test_a_second_upload_does_not_move_main(place, tmp_path):
    client = place.client(tmp_path / "home", "2")
    client.call("upload_folder", repo_id=NAME, folder_path=folder_of(tmp_path / "model", FILES))
    place.work()
    first = place.catalog.resolve(NAME).revision
    content = (tmp_path / "other.json").resolve()
    content.write_bytes(b'{"model_type": "gpt2"}')
    done = client.call("upload_file", repo_id=NAME, path_or_fileobj=str(content), path_in_repo="config.json")
    assert place.work() == [f"ADMIT {NAME}"]
    assert place.catalog.resolve(NAME).revision == first
    assert place.catalog.resolve(NAME, done["oid"]).snapshot.entry("config.json").digest.hex == sha256(
        content.read_bytes()
    )


def test_the_command_line_of_the_client_uploads(place, tmp_path):
    client = place.client(tmp_path / "home", "2")
    done = client.hf("upload", NAME, folder_of(tmp_path / "model", FILES), ".")
    assert done.returncode == 0, done.stderr
    assert "quarantine" in done.stdout + done.stderr
    assert place.work() == [f"ADMIT {NAME}"]


def test_what_a_gitignore_leaves_out_is_not_uploaded(place, tmp_path):
    files = {
        ".gitignore": b"*.log\n!keep.log\nold/\n",
        "a.log": b"1",
        "keep.log": b"2",
        "old/b": b"3",
        "config.json": b"{}",
    }
    done = place.client(tmp_path / "home", "2").hf("upload", NAME, folder_of(tmp_path / "model", files), ".")
    assert done.returncode == 0, done.stderr
    (upload,) = Uploads(place.index, place.world.blobs).about(NAME)
    assert {file.path for file in upload.files} == {".gitignore", "keep.log", "config.json"}


def test_whoever_may_not_upload_is_told_so(place, tmp_path):
    model = folder_of(tmp_path / "model", FILES)
    nobody = Client("2", place.url, tmp_path / "home")
    _, text = nobody.fail("upload_folder", repo_id=NAME, folder_path=model, token=False)
    assert "token" in text
    auditor = place.client(tmp_path / "home2", "2")
    auditor.token = Tokens(place.index).create(
        person="eve", roles=["auditor"], name="eve", by="root", now=datetime.now(UTC)
    )[0]
    _, text = auditor.fail("upload_folder", repo_id=NAME, folder_path=model)
    assert "upload" in text
    with pytest.raises(Refused):
        place.catalog.resolve(NAME)
    assert WorkQueue(place.index).about(NAME) == ()


def post(place, path, token="", **kwargs):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.post(place.url + path, headers=headers, trust_env=False, timeout=60, **kwargs)


def test_that_the_store_has_a_file_is_nothing_to_build_on(place, tmp_path):
    client = place.client(tmp_path / "home", "2", person="ann")
    client.call("upload_folder", repo_id=NAME, folder_path=folder_of(tmp_path / "model", FILES))
    thief, digest = place.token("mallory"), sha256(FILES["model.safetensors"])
    value = {"path": "model.safetensors", "algo": "sha256", "oid": digest, "size": len(FILES["model.safetensors"])}
    body = b'{"key": "header", "value": {"summary": "mine"}}\n' + (
        f'{{"key": "lfsFile", "value": {value}}}'.replace("'", '"').encode()
    )
    assert post(place, "/api/models/mallory/copy/commit/main", thief, content=body).status_code == 200
    said = place.work()
    assert any("mallory/copy" in line and "never uploaded" in line for line in said)
    assert WorkQueue(place.index).about("mallory/copy")[0].state == FAILED


def test_links_are_for_one_file_and_bytes_are_checked(place):
    token, content = place.token(), os.urandom(3000)
    digest = sha256(content)
    asked = {"operation": "upload", "objects": [{"oid": digest, "size": len(content)}]}
    answer = post(place, f"/{NAME}.git/info/lfs/objects/batch", token, json=asked).json()
    href = answer["objects"][0]["actions"]["upload"]["href"]
    put = {"trust_env": False, "timeout": 60}
    assert httpx.put(href, content=b"x" * len(content), **put).status_code == 400
    assert httpx.put(href, content=content + b"more", **put).status_code == 400
    assert httpx.put(href.replace(digest, "0" * 64), content=content, **put).status_code == 400
    assert httpx.put(href.replace("actor=ann", "actor=bob"), content=content, **put).status_code == 400
    assert httpx.put(href, content=content, **put).status_code == 200
    assert [result.problem for result in place.world.blobs.scrub()] == [None]


def test_commits_that_are_none(place):
    token = place.token()
    lines = {
        b"not json": 400,
        b'{"key": "file", "value": {"path": "../x", "content": "", "encoding": "base64"}}': 400,
        b'{"key": "file", "value": {"path": "x", "content": "@@@", "encoding": "base64"}}': 400,
        b'{"key": "lfsFile", "value": {"path": "x", "oid": "zz", "size": 1}}': 400,
        b'{"key": "header", "value": {"summary": "nothing"}}': 400,
        b'{"key": "rename", "value": {"path": "x"}}': 400,
        b'{"key": "header", "value": {"parentCommit": "abc"}}\n'
        b'{"key": "file", "value": {"path": "x", "content": "eA==", "encoding": "base64"}}': 400,
        b"[" * 100_000: 400,
        b"x" * (17 << 20): 413,
    }
    for line, status in lines.items():
        answer = post(place, f"/api/models/{NAME}/commit/main", token, content=line)
        assert answer.status_code == status, (line[:80], answer.text)
    assert post(place, f"/api/models/{NAME}/commit/production", token, content=b"{}").status_code == 400
    assert WorkQueue(place.index).about(NAME) == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_data_sets_are_refused_clearly(place, tmp_path, version):
    client = place.client(tmp_path / "home", version)
    _, text = client.fail("create_repo", repo_id="acme/data", repo_type="dataset")
    assert "models" in text


def test_a_commit_that_is_sent_again_is_the_same_commit(place):
    token = place.token()
    lines = b'{"key": "header", "value": {"summary": "one"}}\n'
    lines += b'{"key": "file", "value": {"path": "config.json", "content": "e30=", "encoding": "base64"}}'
    first, second = (post(place, f"/api/models/{NAME}/commit/main", token, content=lines).json() for _ in range(2))
    assert first["commitOid"] == second["commitOid"]
    assert place.work() == [f"ADMIT {NAME}"]
    assert post(place, f"/api/models/{NAME}/commit/main", token, content=lines).json() == first
    assert place.work() == []
    assert len(Uploads(place.index, place.world.blobs).about(NAME)) == 1


def test_the_commit_that_a_client_was_told_is_found_though_another_came_before_it(place, tmp_path):
    client, commits = place.client(tmp_path / "home", "2", **WITHOUT_XET), []
    for number in range(3):
        folder = folder_of(tmp_path / str(number), FILES | {"number": b"%d" % number})
        commits.append(str(client.call("upload_folder", repo_id=NAME, folder_path=folder)["oid"]))
    assert place.work() == [f"ADMIT {NAME}"] * 3
    for number, commit in enumerate(commits):
        pulled = client.call("snapshot_download", repo_id=NAME, revision=commit)
        assert pulled["files"]["number"] == sha256(b"%d" % number)
    bad = folder_of(tmp_path / "bad", {"evil.txt": b"EVIL"})
    commit = str(client.call("upload_folder", repo_id=NAME, folder_path=bad)["oid"])
    assert "waits for its verdict" in client.fail("snapshot_download", repo_id=NAME, revision=commit)[1]
    assert place.work() == [f"REJECT {NAME}"]
    assert "calls out" in client.fail("snapshot_download", repo_id=NAME, revision=commit)[1]


def test_a_copy_inside_the_model_takes_its_bytes_from_there(place, tmp_path):
    client = place.client(tmp_path / "home", "2", **WITHOUT_XET)
    client.call("upload_folder", repo_id=NAME, folder_path=folder_of(tmp_path / "model", FILES))
    assert place.work() == [f"ADMIT {NAME}"]
    copies = [["Copy", {"src_path_in_repo": one, "path_in_repo": f"copy/{one}"}] for one in FILES]
    commit = client.call("commit", repo_id=NAME, operations=copies)["oid"]
    assert place.work() == [f"ADMIT {NAME}"]
    pulled = client.call("snapshot_download", repo_id=NAME, revision=commit)["files"]
    assert pulled == {path: sha256(content) for one, content in FILES.items() for path in (one, f"copy/{one}")}
    line = {"key": "lfsFile", "value": {"path": "x", "oid": sha256(b"somebody else's")}}
    answer = httpx.post(
        f"{place.url}/api/models/{NAME}/commit/main",
        content=json.dumps(line),
        headers={"Authorization": f"Bearer {client.token}"},
    )
    assert answer.status_code == 400
    assert "upload its bytes" in answer.headers["X-Error-Message"]


def test_a_card_is_pushed_as_the_training_loop_does(place, tmp_path):
    client = place.client(tmp_path / "home", "2")  # earlier clients ask the public hub whether it is well-formed
    client.call("create_repo", repo_id=NAME)
    client.call("push_card", repo_id=NAME, text="---\nlicense: mit\n---\n# a model\n")
    assert place.work() == [f"ADMIT {NAME}"]
    assert client.call("snapshot_download", repo_id=NAME)["files"].keys() == {"README.md"}


def test_whoever_uploads_is_told_that_there_is_no_card_yet(place, tmp_path):
    """`push_to_hub` of the libraries goes on after that answer alone."""
    ann, bob = place.client(tmp_path / "ann", "2"), place.client(tmp_path / "bob", "2", person="bob")
    assert ann.fail("card", repo_id=NAME)[0] == "RemoteEntryNotFoundError"
    ann.call("upload_folder", repo_id=NAME, folder_path=folder_of(tmp_path / "model", FILES))
    kind, told = ann.fail("card", repo_id=NAME)
    assert kind == "RemoteEntryNotFoundError"
    assert "replaces it" in told
    kind, told = bob.fail("card", repo_id=NAME)
    assert kind == "GatedRepoError" or "being vetted" in told, "it is somebody else's upload"
    assert "being vetted" in ann.fail("hf_hub_download", repo_id=NAME, filename="config.json")[1]
    place.work()
    assert ann.call("card", repo_id=NAME)["text"].strip() == "# a model"


PUSH = """
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification
import sys
sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
BertForSequenceClassification(BertConfig(**sizes)).push_to_hub("acme/uploaded")
AutoTokenizer.from_pretrained(sys.argv[1]).push_to_hub("acme/uploaded")
"""


@pytest.mark.slow  # torch is imported anew
@pytest.mark.torch
def test_the_real_transformers_push_a_model_and_its_tokenizer(place, tmp_path, real_model):
    client = place.client(tmp_path / "home", "2")
    command = [sys.executable, "-c", PUSH, str(real_model)]
    done = subprocess.run(command, env=client.env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert place.work() == [f"ADMIT {NAME}"] * 2
    newest = Uploads(place.index, place.world.blobs).about(NAME)[0]
    files = set(client.call("snapshot_download", repo_id=NAME, revision=newest.commit_id)["files"])
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= files


@pytest.mark.parametrize("version", VERSIONS)
def test_what_only_the_public_hub_has_is_refused_with_what_to_do_here(place, tmp_path, version):
    client = place.client(tmp_path / "home", version)
    client.call("upload_folder", repo_id=NAME, folder_path=folder_of(tmp_path / "model", {"config.json": b"{}"}))
    place.work()
    found = client.call("public_hub", repo_id=NAME)
    assert found["discussions"] == []
    for call, said in {
        "create_branch": "assay approve",
        "create_tag": "assay approve",
        "delete_repo": "assay revoke",
        "move_repo": "under the new one",
        "create_discussion": "every upload waits for its verdict",
    }.items():
        assert found["said"][call].startswith("BadRequestError")
        assert said in found["said"][call]
