"""Where configuration files name code: the keys that make a loader import something. Facts, no judgement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from assay.inspections.code_reference import CodeReference, dotted
from assay.inspections.references_calls import called_by_name
from assay.inspections.references_loaders import KEYS, by_file, known_to_loaders
from assay.inspections.references_logging import dictionary_references, is_logging
from assay.inspections.references_serialised import KEYS as SERIALISED
from assay.inspections.references_serialised import built_again

if TYPE_CHECKING:
    from collections.abc import Iterator

_TARGET_KEYS = frozenset(("_target_", "_partial_target_"))  # Hydra / OmegaConf `instantiate`
# sentence-transformers imports these by `import_from_string`
_ACTIVATION_KEYS = frozenset(
    ("activation_function", "activation_fn", "sbert_ce_default_activation_function", "default_activation_function")
)
# transformers fetches a kernel, which is Python and native code, from the repository that stands here
_KERNEL_KEYS = frozenset(("attn_implementation", "experts_implementation"))
_KERNEL = re.compile(r"(?:paged\|)?([^/:|\s]+/[^/:|\s]+)(?:@[^:]*)?(?::.*)?")
_OUTSIDE = re.compile(r"^(?:/|\\|[A-Za-z]:)|(?:^|[/\\])\.\.(?:[/\\]|$)")
_MAX_NODES = 2_000_000


def references(document: Any, name: str) -> Iterator[CodeReference]:
    """Every reference to code in a parsed configuration.

    Args:
        document: parsed JSON, YAML or TOML.
        name: base name of the file; some keys mean something only in some files.
    """
    yield from _by_name(document, name)
    yield from by_file(document, name)
    stack: list[tuple[str, Any]] = [("", document)]
    seen: set[int] = set()
    while stack and len(seen) < _MAX_NODES:
        path, node = stack.pop()
        if id(node) in seen:
            continue  # YAML may give one value to many keys
        seen.add(id(node))
        if isinstance(node, list):
            stack += [(f"{path}[]", item) for item in node if isinstance(item, (dict, list))]
        elif isinstance(node, dict):
            if is_logging(node):
                yield from dictionary_references(node, f"{path}." if path else "")
            for key, value in node.items():
                here = f"{path}.{key}" if path else key
                yield from _known_key(key.rstrip(" "), here, value)
                yield from called_by_name(key, here, value, node)
                if key.rstrip(" ") in KEYS:
                    yield from known_to_loaders(key.rstrip(" "), here, value, node)
                if key in SERIALISED:
                    yield from built_again(key, here, value, node)
                if isinstance(value, (dict, list)):
                    stack.append((here, value))


def _by_name(document: Any, name: str) -> Iterator[CodeReference]:
    if name == "modules.json" and isinstance(document, list):
        yield from _sentence_transformers(document)
    if name == "model_index.json" and isinstance(document, dict):
        yield from _diffusers(document)
    if name == "adapter_config.json" and isinstance(document, dict):
        yield from _adapter(document)


def _known_key(key: str, here: str, value: Any) -> Iterator[CodeReference]:
    if key == "auto_map":
        targets = value if isinstance(value, dict) else {"": value}
        for auto_class, target in targets.items():
            where = f"{here}.{auto_class}" if auto_class else here
            items = target if isinstance(target, list) else [target]
            yield from (split_reference("auto-map", where, item) for item in items if isinstance(item, str))
    elif key == "custom_pipelines" and isinstance(value, dict):
        for task, pipeline in value.items():
            impl = pipeline.get("impl") if isinstance(pipeline, dict) else None
            if isinstance(impl, str):
                yield split_reference("pipeline", f"{here}.{task}", impl)
    elif isinstance(value, str) and ((key in _TARGET_KEYS and value) or (key in _ACTIVATION_KEYS and dotted(value))):
        yield CodeReference("target", here, value, module=value)
    elif key.strip("_").removesuffix("_internal") in _KERNEL_KEYS:
        yield from _kernels(here, value)
    elif key == "trust_remote_code" and value is True:
        yield CodeReference("trust", here, "true")


def _kernels(here: str, value: Any) -> Iterator[CodeReference]:
    """`owner/repo@revision:function`, for the model or for each of its parts."""
    for item in value.values() if isinstance(value, dict) else [value]:
        kernel = _KERNEL.fullmatch(item) if isinstance(item, str) else None
        if kernel:
            yield CodeReference("kernel", here, item, kernel[1], kernel[1])


def split_reference(kind: str, key: str, value: str) -> CodeReference:
    """`owner/repo--module.Class` or `module.Class` (transformers `dynamic_module_utils`)."""
    repository, _, rest = value.rpartition("--")
    return CodeReference(kind, key, value, repository, rest.rsplit(".", 1)[0])


def _sentence_transformers(document: list[Any]) -> Iterator[CodeReference]:
    """`modules.json`: `type` is imported; outside the package it is code of the repository."""
    for index, module in enumerate(document):
        kind = module.get("type") if isinstance(module, dict) else None
        if isinstance(kind, str) and not kind.startswith("sentence_transformers."):
            repository, _, rest = kind.rpartition("--")
            yield CodeReference("module-path", f"[{index}].type", kind, repository, rest.rsplit(".", 1)[0])
        elif isinstance(kind, str) and kind.rpartition(".")[2][:1].islower():
            yield CodeReference("target", f"[{index}].type", kind, module=kind)
        path = module.get("path") if isinstance(module, dict) else None
        if isinstance(path, str) and _OUTSIDE.search(path):
            yield CodeReference("path", f"[{index}].path", path)


def _diffusers(document: dict[str, Any]) -> Iterator[CodeReference]:
    """`model_index.json`: a pipeline class in a file of the repository, and component libraries."""
    for key, value in document.items():
        pair = value if isinstance(value, list) and len(value) == 2 else None  # noqa: PLR2004
        if pair is None or not all(isinstance(item, str) for item in pair):
            continue
        if key == "_class_name":
            yield CodeReference("pipeline", key, str(pair), module=pair[0])
        elif pair[0] not in {"diffusers", "transformers", "onnxruntime"} and not key.startswith("_"):
            yield CodeReference("library", key, str(pair), module=pair[0])


def _adapter(document: dict[str, Any]) -> Iterator[CodeReference]:
    """PEFT `adapter_config.json`: `auto_mapping.parent_library` is imported."""
    mapping = document.get("auto_mapping")
    library = mapping.get("parent_library") if isinstance(mapping, dict) else None
    if isinstance(library, str) and not library.startswith("transformers"):
        yield CodeReference("library", "auto_mapping.parent_library", library, module=library)
