"""The listing of a directory: everything below the root is a file or a reason."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assay.core.errors import ContentError, LimitExceeded, UsageError
from assay.core.limits import Limits
from assay.store.tree import DirectoryFiles, Skipped, Tree, list_tree

if TYPE_CHECKING:
    from collections.abc import Iterator


def _paths(tree: Tree) -> list[str]:
    return [file.path for file in tree.files]


def _reasons(tree: Tree) -> dict[str, str]:
    return {skipped.path: skipped.reason for skipped in tree.skipped}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "config.json").write_bytes(b"{}")
    (root / "sub" / "model.bin").write_bytes(b"12345")
    return root


def test_files_are_listed_sorted_with_sizes(root: Path) -> None:
    odd = root / "sub" / "new\nline \x1b[31m🙂 \\ \u202e.txt"
    odd.write_bytes(b"x")
    (root / "empty").mkdir()
    (root / "sub-file").write_bytes(b"")
    tree = list_tree(root)
    assert _paths(tree) == sorted(["config.json", "sub/model.bin", f"sub/{odd.name}", "sub-file"])
    assert [file.size for file in tree.files] == [2, 0, 5, 1]
    assert tree.skipped == ()


def test_a_single_file_is_a_tree_of_one(root: Path) -> None:
    (root / "link").symlink_to("config.json")
    for name in ("config.json", "link"):
        (file,) = list_tree(root / name).files
        assert (file.path, file.size, file.location) == (name, 2, root / "config.json")


def test_hidden_files_are_files(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "hook").write_bytes(b"x")
    assert ".git/hook" in _paths(list_tree(root))


def test_links_inside_the_root_are_followed(root: Path) -> None:
    (root / "file-link").symlink_to("sub/model.bin")
    (root / "directory-link").symlink_to("sub")
    (root / "absolute").symlink_to(root / "config.json")
    tree = list_tree(root)
    assert _paths(tree) == ["absolute", "config.json", "directory-link/model.bin", "file-link", "sub/model.bin"]
    assert all(not file.location.is_symlink() for file in tree.files)


def test_links_that_lead_out_are_skipped_with_a_reason(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root-beside").mkdir()
    (tmp_path / "root-beside" / "file").write_bytes(b"x")
    (root / "file-out").symlink_to("../secret")
    (root / "directory-out").symlink_to(tmp_path / "root-beside")
    (root / "beside").symlink_to("../root-beside/file")
    (root / "passwd").symlink_to("/etc/passwd")
    (root / "through").symlink_to("sub/../../secret")
    (root / "hop").symlink_to("file-out")
    (root / "broken").symlink_to("nothing")
    (root / "self").symlink_to("self")
    tree = list_tree(root)
    assert _paths(tree) == ["config.json", "sub/model.bin"]
    outside = "symbolic link to a file outside the given root"
    assert _reasons(tree) == {
        "file-out": outside,
        "directory-out": "symbolic link to a directory outside the given root",
        "beside": outside,
        "passwd": outside,
        "through": outside,
        "hop": outside,
        "broken": "broken symbolic link",
        "self": "symbolic link loop",
    }


def test_a_link_to_a_parent_does_not_loop(root: Path) -> None:
    (root / "sub" / "up").symlink_to("..")
    (root / "sub" / "here").symlink_to(".")
    tree = list_tree(root)
    assert _paths(tree) == ["config.json", "sub/model.bin"]
    assert set(_reasons(tree)) == {"sub/up", "sub/here"}


def test_links_that_multiply_are_stopped(tmp_path: Path) -> None:
    """Twenty directories with two links each to the next one would be a million paths."""
    for level in range(20):
        (tmp_path / f"d{level}").mkdir()
        for name in "ab":
            (tmp_path / f"d{level}" / name).symlink_to(f"../d{level + 1}")
    (tmp_path / "d20").mkdir()
    with pytest.raises(LimitExceeded, match="1000 entries"):
        list_tree(tmp_path, replace(Limits(), files=1000))


def test_special_files_are_skipped_with_a_reason(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        (root / "link").symlink_to("pipe")
        (root / "null").symlink_to("/dev/null")
        assert _reasons(list_tree(root)) == {
            "pipe": "not a regular file (pipe)",
            "socket": "not a regular file (socket)",
            "link": "not a regular file (pipe)",
            "null": "not a regular file (device)",
        }


def test_a_name_that_is_not_utf8_is_skipped(root: Path) -> None:
    with open(os.fsencode(root) + b"/caf\xe9.bin", "wb"):  # noqa: PTH123
        pass
    os.mkdir(os.fsencode(root) + b"/d\xff")  # noqa: PTH102
    assert list_tree(root).skipped == (
        Skipped("caf\\xe9.bin", "file name is not valid UTF-8"),
        Skipped("d\\xff", "file name is not valid UTF-8"),
    )


def test_a_hub_cache_snapshot_reaches_its_own_blobs_only(tmp_path: Path) -> None:
    """huggingface_hub's cache: snapshots/<rev>/<file> links to ../../blobs/<etag>."""
    snapshot = tmp_path / "models--org--name" / "snapshots" / ("a" * 40)
    (snapshot / "sub").mkdir(parents=True)
    for model in ("models--org--name", "models--org--other"):
        (tmp_path / model / "blobs").mkdir(parents=True)
        (tmp_path / model / "blobs" / "etag").write_bytes(b"bytes")
    (tmp_path / "models--org--name" / "refs").mkdir()
    (tmp_path / "models--org--name" / "refs" / "main").write_bytes(b"x")
    (snapshot / "config.json").symlink_to("../../blobs/etag")
    (snapshot / "sub" / "model.bin").symlink_to("../../../blobs/etag")
    (snapshot / "blobs").symlink_to("../../blobs")
    (snapshot / "refs").symlink_to("../../refs/main")
    (snapshot / "other").symlink_to("../../../models--org--other/blobs/etag")
    tree = list_tree(snapshot)
    assert _paths(tree) == ["config.json", "sub/model.bin"]
    assert set(_reasons(tree)) == {"blobs", "refs", "other"}
    with DirectoryFiles(tree).open("config.json") as stream:
        assert stream.read() == b"bytes"
    plain = tmp_path / "elsewhere" / "snapshots" / "rev"
    plain.mkdir(parents=True)
    (tmp_path / "elsewhere" / "blobs").mkdir()
    (tmp_path / "elsewhere" / "blobs" / "x").write_bytes(b"x")
    (plain / "file").symlink_to("../../blobs/x")
    assert set(_reasons(list_tree(plain))) == {"file"}


def test_a_root_given_through_a_link_is_the_real_one(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    (root / "absolute").symlink_to(root / "config.json")
    assert _paths(list_tree(tmp_path / "alias")) == ["absolute", "config.json", "sub/model.bin"]


def test_what_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing", tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(UsageError):
            list_tree(path)


def test_a_directory_that_cannot_be_listed_is_a_reason(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may list everything, so the kernel's answer is put in its mouth."""
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("/sub"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    tree = list_tree(root)
    assert _paths(tree) == ["config.json"]
    assert _reasons(tree) == {"sub": "directory can't be listed: Permission denied"}


def test_an_opened_file_is_the_listed_one(root: Path) -> None:
    files = DirectoryFiles(list_tree(root))
    with files.open("sub/model.bin") as stream:
        assert stream.read() == b"12345"
        assert stream.seek(1) == 1
        assert os.fstat(stream.fileno()).st_size == 5
    for path in ("unheard/of", "../secret", "sub"):
        with pytest.raises(ContentError, match="not a file of this snapshot"):
            files.open(path)


def test_a_file_that_changed_is_refused(root: Path, tmp_path: Path) -> None:
    files = DirectoryFiles(list_tree(root))
    target = root / "sub" / "model.bin"
    target.write_bytes(b"longer than before")
    with pytest.raises(ContentError, match="changed"):
        files.open("sub/model.bin")
    target.unlink()
    with pytest.raises(ContentError, match="can't open"):
        files.open("sub/model.bin")
    (tmp_path / "other").write_bytes(b"54321")
    target.symlink_to(tmp_path / "other")
    with pytest.raises(ContentError, match="can't open"):
        files.open("sub/model.bin")
    target.unlink()
    os.mkfifo(target)
    with pytest.raises(ContentError, match="changed"):
        files.open("sub/model.bin")


def test_deep_directories(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(300):
        path /= "d"
    path.mkdir(parents=True)
    (path / "f").write_bytes(b"x")
    assert _paths(list_tree(tmp_path)) == ["d/" * 300 + "f"]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: making and removing 100,000 files is not what is measured."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as directory:
        yield Path(directory)


def test_a_hundred_thousand_files_in_seconds(memory: Path) -> None:
    for folder in range(100):
        (memory / str(folder)).mkdir()
        for name in range(1000):
            os.close(os.open(memory / str(folder) / str(name), os.O_CREAT | os.O_WRONLY))
    start = time.monotonic()
    tree = list_tree(memory)
    assert len(tree.files) == 100_000
    assert time.monotonic() - start < 15
