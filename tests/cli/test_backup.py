"""`assay backup` and `assay restore`: what comes back is whole, and is served."""

from __future__ import annotations

import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.cli.test_vet import Cli, one_line_error
from tests.support.databases import *  # noqa: F403
from tests.support.postgres import binaries

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"config.json": b'{"model_type": "bert"}', "LICENSE": b"Apache License\nVersion 2.0, January 2004\n"}


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path / "data")
    assert made("init", "--quiet").returncode == 0
    return made


def admit(cli: Cli, folder: Path, name: str, extra: bytes) -> None:
    folder.mkdir()
    for path, content in {**FILES, "README.md": extra}.items():
        (folder / path).write_bytes(content)
    status, report = cli.json("vet", str(folder), "--as", name)
    assert (status, report["decision"]) == (0, "ADMIT")


def test_backed_up_while_served_and_restored_elsewhere(cli, tmp_path):
    admit(cli, tmp_path / "one", "acme/first", b"# one")
    server = cli.start("serve", "--port", "0", "--no-worker")
    server.stdout.readline()
    try:
        _, first = cli.json("backup", str(tmp_path / "copy"))
        assert first["copied"] == first["blobs"] > 0
        admit(cli, tmp_path / "two", "acme/second", b"# two")
        _, second = cli.json("backup", str(tmp_path / "copy"), "--with-keys")
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert 0 < second["copied"] == second["blobs"] - first["blobs"]
    assert int(second["log"].partition(":")[0]) > int(first["log"].partition(":")[0])

    other = Cli(tmp_path / "elsewhere")
    status, restored = other.json("restore", str(tmp_path / "copy"))
    assert (status, restored["problem"], restored["blobs"]) == (0, None, second["blobs"])
    for command in (("log", "verify", "--head", second["log"]), ("scrub",)):
        done = other(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (other.data / "keys").iterdir())
    server = other.start("serve", "--port", "0", "--no-worker")
    try:
        url = server.stdout.readline().split()[1]
        for name, content in (("acme/first", b"# one"), ("acme/second", b"# two")):
            got = httpx.get(f"{url}/{name}/resolve/main/README.md", trust_env=False, timeout=60)
            assert got.content == content
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert "there is an index" in one_line_error(other("restore", str(tmp_path / "copy")))


def libpq(url: str) -> str:
    """A URL of SQLAlchemy as PostgreSQL's own programs read it."""
    return url.replace("postgresql+psycopg:", "postgresql:")


@pytest.mark.slow  # a dozen programs, one after the other
@pytest.mark.postgres
def test_an_index_on_postgresql_comes_back_by_its_own_programs(cli, postgres, tmp_path):
    first, second = postgres.new_database(), postgres.new_database()
    cli.env["ASSAY_DATABASE_URL"] = libpq(first)
    admit(cli, tmp_path / "one", "acme/first", b"# one")
    head = cli("log", "checkpoint")
    assert head.returncode == 0, head.stderr
    dump = tmp_path / "index.dump"
    for program in (
        ("pg_dump", "--format=custom", f"--file={dump}", libpq(first)),
        ("pg_restore", "--clean", "--if-exists", f"--dbname={libpq(second)}", str(dump)),
    ):
        done = subprocess.run([binaries() / program[0], *program[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if program[0] == "pg_dump":
            status, _ = cli.json("backup", str(tmp_path / "copy"), "--without-database")
            assert status == 0

    other = Cli(tmp_path / "elsewhere")
    other.env["ASSAY_DATABASE_URL"] = libpq(second)
    for command in (("restore", str(tmp_path / "copy")), ("log", "verify"), ("scrub",)):
        done = other(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    server = other.start("serve", "--port", "0", "--no-worker")
    try:
        url = server.stdout.readline().split()[1]
        got = httpx.get(f"{url}/acme/first/resolve/main/README.md", trust_env=False, timeout=60)
        assert got.content == b"# one"
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    for url in (first, second):
        postgres.drop(url)


def test_a_damaged_copy_is_not_restored(cli, tmp_path):
    admit(cli, tmp_path / "one", "acme/first", b"# one")
    assert cli("backup", str(tmp_path / "copy")).returncode == 0
    assert not (tmp_path / "copy" / "keys").exists()
    blob = next(path for path in (tmp_path / "copy" / "blobs" / "sha256").rglob("*") if path.is_file())
    blob.chmod(0o644)
    blob.write_bytes(bytes(len(blob.read_bytes())))
    other = Cli(tmp_path / "elsewhere")
    assert "sha256" in one_line_error(other("restore", str(tmp_path / "copy")))
    assert not (other.data / "index.sqlite").exists()


def test_what_is_no_backup(cli, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    assert "is not empty" in one_line_error(cli("backup", str(tmp_path / "full")))
    assert "no complete backup" in one_line_error(cli("restore", str(tmp_path / "full")))
    assert "no index" in one_line_error(cli("backup", str(tmp_path / "new")))
