"""Run inside a client's own environment: one call of huggingface_hub, its result as JSON on standard output.

Imports nothing of assay, and works with every version of the matrix.
"""

# ruff: noqa: BLE001 - each call imports what it needs, and every error of the client is a result

import dataclasses
import hashlib
import json
import sys
from pathlib import Path


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def snapshot_download(**arguments):
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(**arguments))
    files = {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}
    return {"folder": str(folder), "files": files}


def hf_hub_download(**arguments):
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(**arguments)
    return {"path": str(path), "sha256": sha256(path)}


def api(method, **arguments):
    from huggingface_hub import HfApi

    found = getattr(HfApi(), method)(**arguments)
    return found if isinstance(found, (bool, dict)) or found is None else shown(found)


def commit(repo_id, operations, **arguments):
    """`create_commit`; each operation is the end of its class's name and its arguments."""
    import huggingface_hub

    made = [getattr(huggingface_hub, f"CommitOperation{kind}")(**values) for kind, values in operations]
    return {"oid": huggingface_hub.HfApi().create_commit(repo_id, made, commit_message="changed", **arguments).oid}


def push_card(repo_id, text):
    from huggingface_hub import ModelCard

    return {"said": str(ModelCard(text).push_to_hub(repo_id))}


def card(repo_id):
    from huggingface_hub import ModelCard

    return {"text": ModelCard.load(repo_id).text}


def public_hub(repo_id):
    """What only the public hub has: call → its error; and the discussions of a model."""
    from huggingface_hub import HfApi

    hub, said = HfApi(), {}
    for name, arguments in {
        "create_branch": {"repo_id": repo_id, "branch": "dev"},
        "create_tag": {"repo_id": repo_id, "tag": "v1"},
        "delete_repo": {"repo_id": repo_id},
        "move_repo": {"from_id": repo_id, "to_id": f"{repo_id}-2"},
        "create_discussion": {"repo_id": repo_id, "title": "why"},
    }.items():
        try:
            said[name] = str(getattr(hub, name)(**arguments))
        except Exception as error:
            said[name] = f"{type(error).__name__}: {error}"
    return {"said": said, "discussions": [one.num for one in hub.get_repo_discussions(repo_id)]}


def shown(value):
    """Client objects as JSON; iterators as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {key: shown(item) for key, item in vars(value).items() if not key.startswith("_")}
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if hasattr(value, "__iter__"):
        return [shown(item) for item in value]
    return str(value)


def filesystem(model, path, start, end):
    from huggingface_hub import HfFileSystem

    fs = HfFileSystem()
    with fs.open(f"{model}/{path}", "rb", block_size=4096) as stream:
        stream.seek(start)
        part = stream.read(end - start)
    return {
        "part": hashlib.sha256(part).hexdigest(),
        "cat": hashlib.sha256(fs.cat_file(f"{model}/{path}", start=start, end=end)).hexdigest(),
        "tail": hashlib.sha256(fs.cat_file(f"{model}/{path}", start=-10)).hexdigest(),
        "whole": hashlib.sha256(fs.cat_file(f"{model}/{path}")).hexdigest(),
        "size": fs.info(f"{model}/{path}")["size"],
        "ls": sorted(fs.ls(model, detail=False)),
        "glob": sorted(fs.glob(f"{model}/**/*.onnx")),
        "exists": [fs.exists(f"{model}/{path}"), fs.exists(f"{model}/none")],
    }


def layouts(model):
    """What sentence-transformers and diffusers ask the client for, in their order; every file with its SHA-256."""
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    modules = json.loads(Path(hf_hub_download(model, "modules.json")).read_text())
    found = {}
    for module in modules[1:]:  # the first is the transformer in the root, which transformers loads
        folder = snapshot_download(model, allow_patterns=f"{module['path']}/**", library_name="sentence-transformers")
        found |= {str(p.relative_to(folder)): sha256(p) for p in Path(folder, module["path"]).rglob("*") if p.is_file()}
    hf_hub_download(model, "config.json", subfolder=modules[1]["path"])
    siblings = {one.rfilename for one in HfApi().model_info(model).siblings}
    index = json.loads(Path(hf_hub_download(model, "model_index.json")).read_text())
    parts = [part for part in index if not part.startswith("_") and any(one.startswith(f"{part}/") for one in siblings)]
    folder = snapshot_download(
        model,
        allow_patterns=["model_index.json", *(f"{part}/*" for part in parts)],
        ignore_patterns=["*.bin", "*.onnx"],
        user_agent={"pipeline_class": "StableDiffusionPipeline"},
    )
    for part in parts:
        found |= {str(p.relative_to(folder)): sha256(p) for p in Path(folder, part).rglob("*") if p.is_file()}
    return {"files": found, "parts": parts}


def main():
    calls = {
        "snapshot_download": snapshot_download,
        "hf_hub_download": hf_hub_download,
        "filesystem": filesystem,
        "layouts": layouts,
        "commit": commit,
        "push_card": push_card,
        "card": card,
        "public_hub": public_hub,
    }
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    try:
        result = {"ok": calls[name](**arguments) if name in calls else api(name, **arguments)}
    except Exception as error:
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result))


main()
