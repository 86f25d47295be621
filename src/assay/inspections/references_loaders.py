"""Where configurations of particular programs name code: Rasa, spaCy, MLflow, BentoML, Lightning and others.

Facts, no judgement. `references.py` has what the Hugging Face libraries and Hydra understand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.inspections.code_reference import CodeReference, dotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RUNS_CODE = re.compile(r"(?:.*_)?(?:pal|python_repl|llm_bash|bash|terminal|python|shell)(?:_chain|_agent|_tool)?")
_OUTSIDE = re.compile(r"^(?:/|~|\\|[A-Za-z]:[\\/]|(?!detectron2:)\w+://)|(?:^|[/\\])\.\.(?:[/\\]|$)")
_PICKLED = re.compile(r"^(?!detectron2:)\w+://.*\.(?:pkl|pickle|pth|pt|bin|ckpt)(?:[?#].*)?$")
_REGISTERED = re.compile(r"^\s*(@[a-z_]+)\s*=\s*\"([^\"\n]{1,200})\"", re.MULTILINE)
# Registered by spaCy, thinc and the packages that they belong to; functions of others come with the repository.
_SPACY = re.compile(r"(?:spacy|thinc|srsly)[\w-]*\.[\w.\-]+")
_SPACY_RUNS = frozenset(("@callbacks", "@loggers", "@readers", "@misc", "@augmenters", "@tokenizers", "@scorers"))
_MMENGINE = frozenset(("_delete_", "custom_imports", "default_scope", "default_hooks", "_scope_"))
_NEVER_DATA = frozenset(
    ("os", "posix", "subprocess", "builtins", "importlib", "runpy", "pty", "shutil", "pickle", "sys")
)
KEYS = {
    "_BASE_", "_base_", "_instantiator", "_type", "class_path", "constructor_name", "custom_generate", "custom_imports",
    "custom_pipeline", "hooks", "kernel_mapping", "lc", "mcpServers", "template_path", "type", "type_hint", "user-dir",
    "user_dir", "weights", "WEIGHTS",
}  # fmt: skip


def known_to_loaders(key: str, here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """What one key means, wherever it stands.

    Args:
        key: as written.
        here: path of keys, for the report.
        value: what stands there.
        parent: the object it stands in.
    """
    if isinstance(value, str):
        yield from _text(key, here, value, parent)
    elif key in _STRUCTURED:
        yield from _STRUCTURED[key](here, value, parent)


def _custom_imports(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """MMEngine imports what is listed."""
    del parent
    listed = value.get("imports") if isinstance(value, dict) else None
    for name in listed if isinstance(listed, list) else [listed]:
        if isinstance(name, str):
            yield CodeReference("library", f"{here}.imports", name, module=name)


def _bases(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """MMEngine: several files that are read before, Python among them."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, str):
            yield from _text("_base_", here, item, parent)


def _type_hint(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """Modular diffusers: `[library, class]`."""
    del parent
    library = value[0] if isinstance(value, list) and len(value) == 2 else None  # noqa: PLR2004
    if isinstance(library, str) and library not in {"diffusers", "transformers"}:
        yield CodeReference("library", here, str(value), module=library)


def _servers(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """Tool servers that are started with the settings they stand in."""
    del parent
    for name, server in value.items() if isinstance(value, dict) else ():
        if isinstance(server, dict) and isinstance(server.get("command"), str):
            words = [server["command"], *_texts(server.get("args"))]
            yield CodeReference("command", f"{here}.{name}", " ".join(words))


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _text(key: str, here: str, value: str, parent: dict[str, Any]) -> Iterator[CodeReference]:
    if key in {"class_path", "_instantiator"} and (dotted(value) or "${" in value):  # jsonargparse, Lightning
        yield CodeReference("target", here, value, module=value)
    elif key in {"custom_generate", "custom_pipeline"} and value:
        repository = value if "/" in value and not value.startswith((".", "/")) else ""
        yield CodeReference("pipeline", here, value, repository, value)
    elif key in {"user_dir", "user-dir"} and value:  # fairseq imports the folder
        yield CodeReference("library", here, value, module=value)
    elif _reads_outside(key, value):
        yield CodeReference("path", here, value)
    elif key == "_base_" and value.endswith(".py"):  # MMEngine runs it
        yield CodeReference("module-path", here, value, module=value.removesuffix(".py").removeprefix("./"))
    else:
        yield from _constructed(key, here, value, parent)


def _reads_outside(key: str, value: str) -> bool:
    """Base configurations of Detectron2 and MMEngine, prompts of LangChain, weights that are unpickled."""
    if key.upper() == "WEIGHTS":
        return _PICKLED.match(value) is not None
    return key in {"_BASE_", "_base_", "template_path"} and _OUTSIDE.search(value) is not None


def _constructed(key: str, here: str, value: str, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """LangChain's `_type` and `lc` constructors, the nodes of a Rasa model."""
    names = parent.get("id")
    if key == "_type" and _RUNS_CODE.fullmatch(value):
        yield CodeReference("target", here, value, module=value)
    elif key == "type" and value == "constructor" and "lc" in parent and isinstance(names, list):
        target = ".".join(str(name) for name in names)
        yield CodeReference("target", here, target, module=target)
    elif key == "constructor_name" and isinstance(parent.get("uses"), str):
        yield CodeReference("target", here, f"{parent['uses']}.{value}", module=parent["uses"])


def _kernel_mapping(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """`{"RMSNorm": "owner/repo:Layer"}`, by device and mode maybe."""
    del parent
    for item in _leaves(value):
        if isinstance(item, str) and "/" in item:
            repository = item.partition(":")[0]
            yield CodeReference("kernel", here, item, repository, repository)


def _leaves(value: Any) -> Iterator[Any]:
    stack, seen = [value], set[int]()
    while stack:
        item = stack.pop()
        if isinstance(item, (dict, list)):
            if id(item) not in seen:
                seen.add(id(item))
                stack += item.values() if isinstance(item, dict) else item
        else:
            yield item


def _hooks(here: str, value: Any, parent: dict[str, Any]) -> Iterator[CodeReference]:
    """Commands that an editor or assistant runs at an event."""
    del parent
    stack: list[Any] = [value]
    seen: set[int] = set()
    while stack:
        item = stack.pop()
        if not isinstance(item, (dict, list)) or id(item) in seen:
            continue
        seen.add(id(item))
        stack += item.values() if isinstance(item, dict) else item
        if isinstance(item, dict) and item.get("type") == "command" and isinstance(item.get("command"), str):
            yield CodeReference("command", here, item["command"])


_STRUCTURED: dict[str, Callable[[str, Any, dict[str, Any]], Iterator[CodeReference]]] = {
    "_base_": _bases,
    "custom_imports": _custom_imports,
    "hooks": _hooks,
    "kernel_mapping": _kernel_mapping,
    "mcpServers": _servers,
    "type_hint": _type_hint,
}


def by_file(document: Any, name: str) -> Iterator[CodeReference]:
    """What a document of this base name tells a program to import or run."""
    if not isinstance(document, dict):
        return
    for names, read in _FILES:
        if name.lower() in names:
            yield from read(document)
    if {"pipeline", "policies"} & set(document):
        yield from _rasa(document)
    if "dataset_reader" in document:
        yield from _allennlp(document)
    else:
        yield from _mmengine(document)


def _rasa(document: dict[str, Any]) -> Iterator[CodeReference]:
    """`config.yml`: a component with a dot in its name is imported."""
    for key in ("pipeline", "policies"):
        items = document.get(key)
        for item in items if isinstance(items, list) else ():
            name = item.get("name") if isinstance(item, dict) else item
            if isinstance(name, str) and dotted(name):
                yield CodeReference("target", f"{key}.name", name, module=name)
    yield from _rasa_endpoints(document)


def _rasa_endpoints(document: dict[str, Any]) -> Iterator[CodeReference]:
    for key in ("tracker_store", "event_broker", "lock_store", "model_storage", "nlg", "importers"):
        value = document.get(key)
        for item in value if isinstance(value, list) else [value]:
            kind = item.get("type", item.get("name")) if isinstance(item, dict) else None
            if isinstance(kind, str) and dotted(kind):
                yield CodeReference("target", f"{key}.type", kind, module=kind)


def _rasa_channels(document: dict[str, Any]) -> Iterator[CodeReference]:
    """`credentials.yml`: the name of a channel may be a class."""
    yield from (CodeReference("target", key, key, module=key) for key in document if dotted(key))


def _allennlp(document: dict[str, Any]) -> Iterator[CodeReference]:
    """A `type` with a dot is imported."""
    stack: list[tuple[str, Any]] = [("", document)]
    while stack:
        path, node = stack.pop()
        for key, value in node.items() if isinstance(node, dict) else ():
            if key == "type" and isinstance(value, str) and dotted(value):
                yield CodeReference("target", f"{path}type", value, module=value)
            elif isinstance(value, dict):
                stack.append((f"{path}{key}.", value))


def _mmengine(document: dict[str, Any]) -> Iterator[CodeReference]:
    """A registry imports and calls a `type` with dots; in other configurations only what can't be data is one."""
    stack: list[tuple[str, Any]] = [("", document)]
    found, marked, seen = [], False, set[int]()
    while stack:
        path, node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, list):
            stack += ((f"{path}[]", item) for item in node if isinstance(item, (dict, list)))
            continue
        marked = marked or not _MMENGINE.isdisjoint(node)
        if isinstance(kind := node.get("type"), str) and dotted(kind):
            found.append((f"{path}.type".lstrip("."), kind))
        stack += ((f"{path}.{key}", value) for key, value in node.items() if isinstance(value, (dict, list)))
    for where, kind in found:
        if marked or kind.partition(".")[0] in _NEVER_DATA:
            yield CodeReference("target", where, kind, module=kind)


def _mlflow(document: dict[str, Any]) -> Iterator[CodeReference]:
    """`MLmodel`: `loader_module` is imported, `code` joins the import path, `model_code_path` is run."""
    flavors = document.get("flavors")
    for name, flavor in flavors.items() if isinstance(flavors, dict) else ():
        if not isinstance(flavor, dict):
            continue
        where = f"flavors.{name}"
        module = flavor.get("loader_module")
        if isinstance(module, str) and not module.startswith("mlflow."):
            yield CodeReference("target", f"{where}.loader_module", module, module=module)
        for key in ("code", "code_path", "model_code_path"):
            if isinstance(flavor.get(key), str):
                yield CodeReference(
                    "module-path", f"{where}.{key}", flavor[key], module=flavor[key].removesuffix(".py")
                )


def _bento(document: dict[str, Any]) -> Iterator[CodeReference]:
    """`bentofile.yaml` and `model.yaml`."""
    module = document.get("module")
    if isinstance(module, str) and "signatures" in document and not module.startswith("bentoml."):
        yield CodeReference("target", "module", module, module=module)
    service = document.get("service")
    if isinstance(service, str):
        yield CodeReference("module-path", "service", service, module=service.partition(":")[0])
    docker = document.get("docker")
    for key in ("setup_script", "dockerfile_template"):
        if isinstance(docker, dict) and isinstance(docker.get(key), str):
            yield CodeReference("command", f"docker.{key}", docker[key])


def _router(document: dict[str, Any]) -> Iterator[CodeReference]:
    """sentence-transformers imports the class of each route."""
    types = document.get("types")
    for key, value in types.items() if isinstance(types, dict) else ():
        if isinstance(value, str) and not value.startswith("sentence_transformers."):
            yield CodeReference("module-path", f"types.{key}", value, module=value.rsplit(".", 1)[0])


def _build_system(document: dict[str, Any]) -> Iterator[CodeReference]:
    """`pyproject.toml`: a build back end that lies in the repository runs when it is installed."""
    build = document.get("build-system")
    if isinstance(build, dict) and build.get("backend-path"):
        backend = str(build.get("build-backend", ""))
        yield CodeReference("module-path", "build-system.build-backend", backend, module=backend)


_FILES: tuple[tuple[frozenset[str], Callable[[dict[str, Any]], Iterator[CodeReference]]], ...] = (
    (frozenset(("endpoints.yml", "endpoints.yaml")), _rasa_endpoints),
    (frozenset(("credentials.yml", "credentials.yaml")), _rasa_channels),
    (frozenset(("mlmodel",)), _mlflow),
    (frozenset(("bentofile.yaml", "bento.yaml", "model.yaml")), _bento),
    (frozenset(("router_config.json",)), _router),
    (frozenset(("pyproject.toml",)), _build_system),
)


NAMES = frozenset(name for names, _ in _FILES for name in names)


def registered_functions(text: str) -> Iterator[tuple[int, CodeReference]]:
    """Functions by registered name in a spaCy `config.cfg` that neither spaCy nor thinc registers, with their line."""
    for match in _REGISTERED.finditer(text):
        key, value = match.groups()
        if key in _SPACY_RUNS and not _SPACY.fullmatch(value):
            line = text.count("\n", 0, match.start()) + 1
            yield line, CodeReference("registered", key, value, module=value)
