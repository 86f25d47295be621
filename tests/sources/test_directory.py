import hashlib
import os
import socket

import pytest

from assay.core.digest import Digest
from assay.core.errors import SourceError, UsageError
from assay.core.limits import Limits
from assay.sources.directory import fetch_directory
from assay.store.blobs import open_blobs


@pytest.fixture
def blobs(tmp_path):
    return open_blobs(tmp_path / "blobs")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "onnx" / "model.onnx").write_bytes(b"\x08\x07" * 3_000_000)
    (folder / "empty").write_bytes(b"")
    return folder


def test_a_directory_becomes_a_snapshot_whose_bytes_are_in_the_store(model, blobs):
    snapshot = fetch_directory(model, "org/name", blobs)
    assert [(e.path, e.size) for e in snapshot.files] == [
        ("config.json", 2),
        ("empty", 0),
        ("onnx/model.onnx", 6_000_000),
    ]
    for entry in snapshot.files:
        assert entry.digest.hex == hashlib.sha256((model / entry.path).read_bytes()).hexdigest()
        assert b"".join(blobs.stream(entry.digest)) == (model / entry.path).read_bytes()
    assert snapshot.origin.kind == "directory"
    assert snapshot.origin.name == "org/name"
    assert snapshot.origin.uri == model.resolve().as_uri()


def test_a_single_file(model, blobs):
    snapshot = fetch_directory(model / "config.json", "", blobs)
    assert [(e.path, e.digest) for e in snapshot.files] == [("config.json", Digest.of(b"{}"))]
    assert snapshot.origin.kind == "file"


def test_progress_reaches_the_total_and_never_falls(model, blobs):
    seen = []
    fetch_directory(model, "", blobs, lambda what, done, total: seen.append((what, done, total)))
    assert {total for _, _, total in seen} == {6_000_002}
    done = [d for _, d, _ in seen]
    assert done == sorted(done)
    assert done[-1] == 6_000_002
    assert len(done) > 3  # within the large file too


def test_names_with_newlines_emoji_and_percent_signs(tmp_path, blobs):
    folder = tmp_path / "odd"
    folder.mkdir()
    names = ["new\nline", "🤗.json", "100%2Fsure", "ümlaut", "a b"]
    for name in names:
        (folder / name).write_text(name)
    assert sorted(e.path for e in fetch_directory(folder, "", blobs).files) == sorted(names)


def test_the_cache_layout_of_a_hub_client(tmp_path, blobs):
    model = tmp_path / "models--org--name"
    (model / "blobs").mkdir(parents=True)
    (model / "blobs" / "abc").write_text("weights")
    snapshot = model / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
    assert [e.digest for e in fetch_directory(snapshot, "", blobs).files] == [Digest.of(b"weights")]


def test_links_out_of_the_root_are_refused_by_name(model, tmp_path, blobs):
    (tmp_path / "secret").write_text("secret")
    (model / "weights").symlink_to(tmp_path / "secret")
    with pytest.raises(SourceError, match=r"'weights': symbolic link to a file outside"):
        fetch_directory(model, "", blobs)
    assert not blobs.has(Digest.of(b"secret"))


def test_special_files_are_refused_without_hanging(model, blobs):
    os.mkfifo(model / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(model / "sock"))
        with pytest.raises(SourceError, match=r"'pipe': not a regular file \(pipe\); 'sock'"):
            fetch_directory(model, "", blobs)


def test_names_that_are_not_utf8_are_refused(model, blobs):
    (model / os.fsdecode(b"bad\xff")).write_text("x")
    with pytest.raises(SourceError, match="not valid UTF-8"):
        fetch_directory(model, "", blobs)


def test_exported_statements_are_no_part_of_the_model(model, blobs):
    before = fetch_directory(model, "", blobs).id
    (model / ".assay").mkdir()
    (model / ".assay" / "manifest.json").write_text("{}")
    assert fetch_directory(model, "", blobs).id == before
    (model / "onnx" / ".assay").mkdir()
    (model / "onnx" / ".assay" / "x").write_text("only the top level is left out")
    assert fetch_directory(model, "", blobs).id != before


@pytest.mark.parametrize("how", ["grows", "shrinks", "same size"])
def test_a_file_that_changes_while_it_is_read(model, blobs, how):
    target = model / "onnx" / "model.onnx"

    def interfere(what, done, total):
        if what == "onnx/model.onnx" and done > 2:
            with target.open("r+b") as stream:
                if how == "grows":
                    stream.seek(0, 2)
                    stream.write(b"more")
                elif how == "shrinks":
                    stream.truncate(5_000_000)
                else:
                    stream.write(b"other")

    with pytest.raises(SourceError, match="changed while it was being read"):
        fetch_directory(model, "", blobs, interfere)


def test_empty_missing_and_too_many(tmp_path, model, blobs):
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="without files"):
        fetch_directory(tmp_path / "none", "", blobs)
    with pytest.raises(UsageError, match="no such file"):
        fetch_directory(tmp_path / "missing", "", blobs)
    with pytest.raises(SourceError, match="more than 2 entries"):
        fetch_directory(model, "", blobs, limits=Limits(files=2))
    with pytest.raises(UsageError, match="not a model name"):
        fetch_directory(model, "../x", blobs)
