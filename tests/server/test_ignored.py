"""`.gitignore` as Git itself reads it, and quick for patterns that are made to be slow."""

from __future__ import annotations

import subprocess

import pytest

from assay.core.errors import UsageError
from assay.server.ignored import Ignored

RULES = r"""
# a comment
*.log
!keep.log
/root.txt
build/
checkpoints/**
!checkpoints/best.bin
docs/*.txt
a/**/z
**/cache
tmp*/x?.[ch]
[!a-c]only
\#hash
\!bang
trailing@@@
deep/**/
""".replace("@@@", "   ")
PATHS = [
    *("x.log", "keep.log", "sub/keep.log", "sub/x.log", "root.txt"),
    *("sub/root.txt", "build/a", "sub/build/b", "build", "checkpoints/best.bin"),
    *("checkpoints/old/y", "docs/a.txt", "docs/sub/a.txt", "a/z", "a/b/z"),
    *("a/b/c/z", "b/a/z", "cache/q", "deep/er/cache", "tmp1/xa.c"),
    *("tmp/xb.h", "tmp/xab.c", "donly", "aonly", "#hash"),
    *("!bang", "trailing", "deep/file", "deep/er/file", "plain"),
    *("model.safetensors", ".gitignore"),
]


def test_it_says_what_git_says(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text(RULES)
    command = ["git", "-C", str(tmp_path), "check-ignore", "--no-index", "--stdin"]
    said = subprocess.run(command, input="\n".join(PATHS), capture_output=True, text=True, check=False)
    rules = Ignored(RULES)
    assert [path for path in PATHS if path in rules] == [line.strip('"') for line in said.stdout.splitlines()]


def test_no_pattern_takes_long():
    slow = Ignored("\n".join(["*a" * 100 + "b", "**/" * 100 + "b/", "[" * 200] * 100), most=20_000)
    with pytest.raises(UsageError, match="takes too long"):
        any(f"{'a' * 200}/{number}" in slow for number in range(10_000))
    quick = Ignored(RULES)
    assert not any(f"folder-{number % 20}/model-{number}.safetensors" in quick for number in range(1000))


def test_more_than_is_looked_at():
    for text in ("x\n" * 501, "y" * 501):
        with pytest.raises(UsageError, match=r"this \.gitignore"):
            Ignored(text)
