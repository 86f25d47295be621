"""Blobs: whole or not there, on a local directory and on an S3 server."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pytest

from assay.core.digest import Digest
from assay.core.errors import ContentError, EnvironmentFault, IntegrityError, SourceError, UsageError
from assay.core.limits import KIB, MIB
from assay.store import incoming, remote
from assay.store.blobs import Blobs, open_blobs
from assay.store.layout import key
from tests.support.s3 import new_bucket, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

NOWHERE = Digest.of(b"never stored")
SIZES = [0, 1, MIB - 1, MIB, MIB + 1, 40 * MIB + 7]


def _bytes(size: int) -> bytes:
    return hashlib.shake_128(str(size).encode()).digest(size)


def _temporaries(root: Path) -> list[Path]:
    return list((root / "tmp").iterdir())


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


@pytest.fixture(params=["local", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    if request.param == "local":
        return open_blobs(tmp_path / "blobs")
    return _on_s3(request, tmp_path, monkeypatch)


@pytest.fixture
def s3_blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    return _on_s3(request, tmp_path, monkeypatch)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


def _on_s3(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    endpoint: str = request.getfixturevalue("s3")
    bucket = "b" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]
    new_bucket(endpoint, bucket)
    for name, value in {"ENDPOINT_URL": endpoint, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return open_blobs(f"s3://{bucket}/some/prefix")


def _break(blobs: Blobs, digest: Digest, data: bytes) -> None:
    """Change stored bytes behind the store's back."""
    path = blobs.local_path(digest)
    if path is not None:
        path.chmod(0o644)
        path.write_bytes(data)
        return
    obstore.put(blobs._storage._store, key(digest), data)


@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out(blobs: Blobs, tmp_path: Path, size: int) -> None:
    data = _bytes(size)
    chunks = [data[i : i + 300 * KIB] for i in range(0, size, 300 * KIB)]
    digest, stored = blobs.put(chunks)
    assert (digest, stored) == (Digest.of(data), size)
    assert blobs.has(digest)
    assert blobs.size(digest) == size
    streamed = list(blobs.stream(digest))
    assert b"".join(streamed) == data
    assert all(len(chunk) == MIB for chunk in streamed[:-1])
    with blobs.open(digest) as stream:
        assert stream.read() == data
    (tmp_path / "file").write_bytes(data)
    assert blobs.put_file(tmp_path / "file") == (digest, size)


def test_open_gives_a_seekable_stream(blobs: Blobs) -> None:
    data = _bytes(3 * MIB)
    digest, _ = blobs.put([data])
    with blobs.open(digest) as stream:
        assert stream.seek(-10, os.SEEK_END) == 3 * MIB - 10
        assert stream.read() == data[-10:]
        assert stream.seek(MIB) == MIB
        assert stream.read(5) == data[MIB : MIB + 5]
        assert stream.seek(2, os.SEEK_CUR) == MIB + 7
        assert stream.read(3) == data[MIB + 7 : MIB + 10]
        assert stream.tell() == MIB + 10
        assert stream.seek(99 * MIB) == 99 * MIB
        assert stream.read(1) == b""
        with pytest.raises((ValueError, OSError)):
            stream.seek(-1)


def test_a_part_of_a_blob(blobs: Blobs) -> None:
    data = _bytes(3 * MIB)
    digest, _ = blobs.put([data])
    for start, stop in ((0, 10), (5, 2 * MIB + 9), (3 * MIB - 1, None), (MIB, 99 * MIB), (7, 7)):
        assert b"".join(blobs.stream(digest, start, stop)) == data[start:stop]


def test_expected_bytes_only(blobs: Blobs) -> None:
    with pytest.raises(ContentError, match="not the expected"):
        blobs.put([b"other"], expect=NOWHERE)
    assert not blobs.has(Digest.of(b"other"))
    assert blobs.put([b"right"], expect=Digest.of(b"right")) == (Digest.of(b"right"), 5)


def test_an_error_of_the_source_stores_nothing(blobs: Blobs) -> None:
    def failing() -> Iterator[bytes]:
        yield _bytes(40 * MIB)
        raise SourceError("the line went dead")

    with pytest.raises(SourceError, match="went dead"):
        blobs.put(failing())
    assert not blobs.has(Digest.of(_bytes(40 * MIB)))
    assert list(blobs.scrub()) == []
    if isinstance(blobs._storage, remote.RemoteStorage):
        assert obstore.list(blobs._storage._store).collect() == []


def test_a_missing_blob(blobs: Blobs) -> None:
    assert not blobs.has(NOWHERE)
    assert blobs.local_path(NOWHERE) is None
    for read in (blobs.size, blobs.open, lambda d: list(blobs.stream(d))):
        with pytest.raises(IntegrityError, match="not in the store"):
            read(NOWHERE)
    blobs.delete(NOWHERE)


@pytest.mark.parametrize("size", [5, MIB, 3 * MIB + 1, 20 * MIB])
def test_the_last_chunk_of_a_wrong_blob_is_withheld(blobs: Blobs, size: int) -> None:
    data = _bytes(size)
    digest, _ = blobs.put([data])
    _break(blobs, digest, bytes([data[0] ^ 1]) + data[1:])
    received: list[bytes] = []
    with pytest.raises(IntegrityError, match="not what its name says"):
        received.extend(blobs.stream(digest))
    assert len(b"".join(received)) < size
    problems = [result.problem for result in blobs.scrub()]
    assert len(problems) == 1
    assert "not what its name says" in str(problems[0])


def test_a_reader_that_goes_away_leaves_no_thread(root: Path) -> None:
    blobs = open_blobs(root)
    digest, _ = blobs.put([_bytes(20 * MIB)])
    stream = blobs.stream(digest)
    next(stream)
    next(stream)
    assert any(thread.name == "assay-blob-check" for thread in threading.enumerate())
    del stream
    assert not any(thread.name == "assay-blob-check" for thread in threading.enumerate())


@pytest.mark.parametrize("planted", [b"who", b"harml"])
def test_other_bytes_under_the_digest_are_not_taken_for_stored(blobs: Blobs, planted: bytes) -> None:
    """Or harmless bytes put there first would be inspected in place of what is admitted."""
    digest, _ = blobs.put([b"whole"])
    _break(blobs, digest, planted)
    with pytest.raises(IntegrityError, match="not what its name says"):
        blobs.put([b"whole"])
    with blobs.open(digest) as stream:
        assert stream.read() == planted  # created only, never overwritten
    blobs.delete(digest)
    blobs.put([b"whole"])
    assert [result.problem for result in blobs.scrub()] == [None]


def test_a_stored_blob_is_never_overwritten(root: Path) -> None:
    blobs = open_blobs(root)
    digest, _ = blobs.put([b"same"])
    path = blobs.local_path(digest)
    assert path is not None
    before = path.stat()
    assert blobs.put([b"same"]) == (digest, 4)
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert after.st_mode & 0o222 == 0
    assert _temporaries(root) == []


def test_a_presigned_url_reads_the_blob(s3_blobs: Blobs, root: Path) -> None:
    digest, _ = s3_blobs.put([b"signed"])
    url = s3_blobs.presigned_url(digest, 60)
    assert url is not None
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"signed"
    local = open_blobs(root)
    assert local.presigned_url(local.put([b"x"])[0], 60) is None


def test_above_the_copy_limit_the_bytes_are_checked_again(s3_blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_COPY_LIMIT", 10)
    data = _bytes(20 * MIB)
    digest, _ = s3_blobs.put([data])
    assert b"".join(s3_blobs.stream(digest)) == data


def test_writers_of_one_blob_at_once(blobs: Blobs) -> None:
    data = _bytes(2 * MIB)
    results: list[tuple[Digest, int]] = []
    threads = [threading.Thread(target=lambda: results.append(blobs.put([data]))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(Digest.of(data), 2 * MIB)] * 6
    assert [result.problem for result in blobs.scrub()] == [None]


def test_scrub_names_what_does_not_belong(root: Path) -> None:
    blobs = open_blobs(root)
    good, _ = blobs.put([b"good"])
    (root / "sha256" / "stray").write_bytes(b"")
    elsewhere = root / "sha256" / "00"
    elsewhere.mkdir()
    (elsewhere / good.hex).write_bytes(b"good")
    found = {result.name: result.problem for result in blobs.scrub()}
    assert found == {
        f"sha256/{good.hex[:2]}/{good.hex}": None,
        "sha256/stray": "is not named by a digest",
        f"sha256/00/{good.hex}": "lies where no blob belongs",
    }


def test_an_unknown_kind_of_store() -> None:
    with pytest.raises(UsageError, match="ftp"):
        open_blobs("ftp://somewhere/else")


def test_an_unreachable_s3_is_one_clear_error(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ENDPOINT_URL": s3, "ACCESS_KEY_ID": "t", "SECRET_ACCESS_KEY": "t", "REGION": "r"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(EnvironmentFault, match="AWS_"):
        open_blobs("s3://no-such-bucket/x").put([b"data"])


def test_a_file_that_cannot_be_read_is_content(root: Path, tmp_path: Path) -> None:
    blobs = open_blobs(root)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing", tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ContentError, match="can't read"):
            blobs.put_file(path)
    assert _temporaries(root) == []


def test_a_full_disk_is_one_clear_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RLIMIT_FSIZE stands in for the disk: the kernel refuses the write in the same place."""
    blobs = open_blobs(root)
    blobs.put([b"first"])
    script = """
import resource, signal, sys
from assay.core.errors import EnvironmentFault
from assay.store.blobs import open_blobs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    open_blobs(sys.argv[1]).put(bytes(1 << 20) for _ in range(40))
except EnvironmentFault as error:
    print(error)
"""
    for limit in (MIB // 2, 30 * MIB):  # before and after the writer thread takes over
        command = [sys.executable, "-c", script, str(root), str(limit)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert "disk full while storing a file (free some space" in result.stdout, result.stderr
    assert _temporaries(root) == []
    assert [found.problem for found in blobs.scrub()] == [None]


_KILLED = """
import os, signal, sys, threading
from assay.store.blobs import open_blobs
def chunks():
    for n in range(40):
        if n == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield bytes([n]) * (1 << 20)
open_blobs(sys.argv[1]).put(chunks())
"""


@pytest.mark.parametrize("after", [0, 3, 39])
def test_kill_9_leaves_no_wrong_blob_and_the_next_start_cleans_up(root: Path, after: int) -> None:
    result = subprocess.run([sys.executable, "-c", _KILLED, root, str(after)], timeout=60, check=False)
    assert result.returncode == -signal.SIGKILL
    assert len(_temporaries(root)) == 1
    blobs = open_blobs(root)
    assert list(blobs.scrub()) == []
    blobs.put([b"next"])
    assert _temporaries(root) == []


def test_a_live_writer_is_not_cleaned_up(root: Path) -> None:
    def slow() -> Iterator[bytes]:
        yield b"one"
        open_blobs(root).put([b"somebody else cleans up now"])
        assert len(_temporaries(root)) == 1
        yield b"two"

    digest, _ = open_blobs(root).put(slow())
    assert digest == Digest.of(b"onetwo")
    assert _temporaries(root) == []


def test_a_temporary_taken_by_a_clean_up_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clean-up may come between making the file and locking it."""
    real, taken = incoming.fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        real(descriptor, operation)

    monkeypatch.setattr(incoming.fcntl, "flock", flock)
    with incoming.Incoming(tmp_path) as one:
        one.feed(b"data")
        assert one.finish() == Digest.of(b"data")
        assert list(tmp_path.iterdir()) == [one.path]
        assert one.path != taken[0]


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentFault, match="preparing"):
        open_blobs(tmp_path / "file" / "blobs").put([b"x"])
