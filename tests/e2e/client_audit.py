"""Run inside a client's own environment: calls of huggingface_hub as its users make them, each with what it must give.

Prints one line of JSON for each that gave something else. Imports nothing of assay; works with every version of the
matrix. The registry's contents are those of `test_client_audit`.
"""

# ruff: noqa: BLE001 - every error of the client is a result

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from huggingface_hub import (
    HfApi,
    HfFileSystem,
    ModelCard,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
)

TOLD = json.loads(sys.argv[1])  # model, revision, alias's revision, sizes and digests of the files
MODEL, MAIN, STAGED, SHA, SIZE = (TOLD[key] for key in ("model", "main", "staged", "sha256", "size"))
REFUSED, REVOKED, UNKNOWN, MANY = "evil/modle", "gone/model", "org/modle", "org/many"
EXPANDED = [
    "author",
    "baseModels",
    "cardData",
    "childrenModelCount",
    "config",
    "createdAt",
    "disabled",
    "downloads",
    "downloadsAllTime",
    "gated",
    "inference",
    "lastModified",
    "library_name",
    "likes",
    "mask_token",
    "model-index",
    "pipeline_tag",
    "private",
    "safetensors",
    "sha",
    "siblings",
    "spaces",
    "tags",
    "transformersInfo",
    "trendingScore",
    "usedStorage",
    "widgetData",
]
api, fs = HfApi(), HfFileSystem()


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def names(**asked):
    return [model.id for model in api.list_models(**asked)]


def folder(**asked):
    return len([path for path in Path(snapshot_download(**asked)).rglob("*") if path.is_file()])


def metadata(name, **more):
    found = get_hf_file_metadata(hf_hub_url(MODEL, name, **more))
    return [found.commit_hash, found.etag, found.size]


def tree(repo, **asked):
    return sorted(item.path for item in api.list_repo_tree(repo, **asked))


def calls():
    """(name, call, what it gives; a text: what is said when it is refused)."""
    for path in SHA:
        yield f"download {path}", lambda path=path: digest(hf_hub_download(MODEL, path)), SHA[path]
        yield f"metadata {path}", lambda path=path: metadata(path), [MAIN, SHA[path], SIZE[path]]
        yield f"open {path}", lambda path=path: hashlib.sha256(fs.open(f"{MODEL}/{path}").read()).hexdigest(), SHA[path]
    yield "alias", lambda: STAGED in hf_hub_download(MODEL, "new.txt", revision="staging"), True
    yield "short id", lambda: STAGED in hf_hub_download(MODEL, "new.txt", revision=STAGED[:7]), True
    yield "ref in full", lambda: api.model_info(MODEL, revision="refs/heads/staging").sha, STAGED
    yield "pull request", lambda: api.model_info(MODEL, revision="refs/pr/1"), "Revision Not Found"
    other = MODEL.upper()
    yield "other letters: info", lambda: api.model_info(other).id, MODEL
    yield "other letters: file", lambda: digest(hf_hub_download(other, "config.json")), SHA["config.json"]
    yield "other letters: all", lambda: folder(repo_id=other, allow_patterns="config.json"), 1
    yield "other letters: paths", lambda: [one.path for one in api.get_paths_info(other, "onnx")], ["onnx"]
    for word in EXPANDED:
        yield f"expand {word}", lambda word=word: api.model_info(MODEL, expand=[word]).id, MODEL
    yield "words", lambda: names(filter=["safetensors", "onnx"]), [MODEL]
    yield "gated", lambda: [names(gated=True), names(gated=False, author="org")], [[], [MANY, MODEL]]
    yield "newest first", lambda: names(sort=TOLD["sort"], author="org"), [MANY, MODEL]
    whole = {"author": "org", "search": "model", "full": True}
    yield "siblings", lambda: len(next(iter(api.list_models(**whole))).siblings), len(SHA)
    yield "no data sets", lambda: list(api.list_datasets(limit=1)), "models only"
    yield "2,300 files", lambda: len(api.list_repo_files(MANY)), 2300
    yield "2,300 found", lambda: len(fs.find(MANY)), 2300
    yield "a folder of another script", lambda: tree(MODEL, path_in_repo="odd/日本語"), ["odd/日本語/ファイル.json"]
    yield "walk", lambda: sorted(next(iter(fs.walk(MODEL)))[1]), ["odd", "onnx"]
    yield "fs by alias", lambda: fs.glob(f"{MODEL}@staging/*.txt"), [f"{MODEL}@staging/new.txt"]
    yield "streamed", lambda: len(fs.open(f"{MODEL}/weights.bin", block_size=0).read()), SIZE["weights.bin"]
    yield "ranges", lambda: [len(part) for part in fs.cat_ranges([f"{MODEL}/weights.bin"] * 2, [0, 5], [4, 9])], [4, 4]
    yield (
        "kinds",
        lambda: [fs.isfile(f"{MODEL}/onnx"), fs.isdir(f"{MODEL}/onnx"), fs.exists(f"{REFUSED}/x")],
        [*(False, True, False)],
    )
    yield "get", lambda: fs.get(f"{MODEL}/onnx", f"{tempfile.mkdtemp()}/", recursive=True), None
    yield "card", lambda: ModelCard.load(MODEL).data.license, "mit"
    yield "offline", lambda: digest(hf_hub_download(MODEL, "config.json", local_files_only=True)), SHA["config.json"]
    yield "again", lambda: digest(hf_hub_download(MODEL, "weights.bin", force_download=True)), SHA["weights.bin"]
    yield "there", lambda: [api.repo_exists(REFUSED), api.revision_exists(REVOKED, "main")], [True, False]
    for what, call in {
        "info": api.model_info,
        "all": snapshot_download,
        "tree": lambda repo: list(api.list_repo_tree(repo)),
        "refs": api.list_repo_refs,
        "commits": api.list_repo_commits,
        "check": api.auth_check,
        "paths": lambda repo: api.get_paths_info(repo, ["a"]),
        "file": lambda repo: hf_hub_download(repo, "config.json"),
    }.items():
        yield f"refused {what}", lambda call=call: call(REFUSED), "posix.system"
        yield f"revoked {what}", lambda call=call: call(REVOKED), "backdoor found"
        yield f"unknown {what}", lambda call=call: call(UNKNOWN), f"did you mean {MODEL}?"
    yield "only at the hub", lambda: list(api.list_collections(limit=1)), "has no such call"
    yield "no likes", lambda: list(api.list_repo_likers(MODEL)), "liked"


def main():
    for name, call, expected in calls():
        try:
            got = call()
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
            if isinstance(expected, str) and expected in got:
                continue
        if got != expected:
            print(json.dumps({"call": name, "got": str(got)[:500], "expected": expected}))
    print(json.dumps("done"))


main()
