"""How bad what a configuration names is."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from assay.core.finding import Confidence, Severity
from assay.inspections.pickle_names import danger, known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.inspections.code_reference import CodeReference
    from assay.inspections.parts import Collector

_FRAMEWORKS = (
    "torch.", "torchvision.", "torchaudio.", "transformers.", "diffusers.", "nemo.", "pytorch_lightning.", "lightning.",
    "omegaconf.", "numpy.", "sklearn.", "peft.", "timm.", "megatron.", "apex.", "detectron2.", "hydra.",
    "torchmetrics.", "speechbrain.", "random.", "sentence_transformers.", "langchain.", "langchain_core.",
    "langchain_community.", "rasa.", "allennlp.", "allennlp_models.", "gluonts.", "pandas.", "mxnet.", "pymatgen.",
    "matgl.", "monty.", "haystack.", "haystack_integrations.", "autogen_core.", "autogen_agentchat.", "autogen_ext.",
    "axolotl.", "datetime.", "collections.", "decimal.", "pathlib.", "uuid.", "mmengine.", "mmcv.", "mmdet.",
    "mmpretrain.", "mmcls.", "mmseg.", "mmpose.", "mmaction.", "mmocr.", "mmagic.", "mmrotate.", "mmtrack.",
    "mmdet3d.", "mmyolo.",
)  # fmt: skip
_DANGEROUS = re.compile(
    r"(?:builtins\.|os\.|posix\.|subprocess\.|shutil\.|importlib\.|pickle\.|runpy\.|pty\.|ctypes\.|code\.|sys\.|socket\.)"
    r"|.*\b(?:exec|eval|system|popen|run_module|load_module)\b"
)
# Functions of a framework that fetch, read, import or call something else: reviewable, not safe for their owner's name.
_REACHES_FURTHER = re.compile(
    r"load|import|run|shell|download|fetch|exec|eval|open|save|write|unpack|extract|script|compile|spawn|launch|call|hub"
    r"|get_(?:method|class|object|static)|instantiate|from_|register|pipeline|partial|resolver|system|popen",
    re.IGNORECASE,
)
_BUILT_IN = frozenset(("lightning.pytorch.cli.instantiate_module", "pytorch_lightning.cli.instantiate_module"))
_CHANNELS = ("https://conda.anaconda.org/", "https://repo.anaconda.com/")
_CONDA = frozenset(("channels", "dependencies"))


# kind → rule, what it says; `{key}`, `{value}`, `{module}`
_SAYS = {
    "trust": ("config-trust-remote-code", "asks loaders to trust code that comes with the model"),
    "target": ("config-target", "{key} = {value} is called when the configuration is instantiated"),
    "library": ("config-library", "{key} makes the loader import {module!r}"),
    "registered": ("config-library", "{key} names {value}, which code beside the model registers"),
    "path": ("config-path", "{key} makes the loader read {value}, outside this folder"),
    "open": ("config-serving-open", "{key} = {value} lets others have the server load models, which run code"),
    "command": ("automatic-command", "{key} runs {value} without being asked"),
}


def judge_reference(reference: CodeReference, out: Collector, line: int | None = None) -> None:
    """One reference to code: how bad depends on whose code it is."""
    facts: dict[str, Any] = {"key": reference.key, "value": reference.value[:500]}
    severity = Severity.LOW if reference.kind == "open" else Severity.MEDIUM
    if reference.kind == "library" and "." not in reference.key and reference.module in _pipelines():
        return
    if reference.kind in _SAYS:
        rule, text = _SAYS[reference.kind]
        message = text.format(key=reference.key, value=repr(reference.value[:300]), module=reference.module)
        if reference.kind == "target":
            severity = severity_of(reference.value)
            if reference.key.endswith("_instantiator") and reference.value in _BUILT_IN:
                severity = Severity.NOTE
    else:
        rule = "config-remote-code"
        severity, message = _remote(reference)
        if reference.repository:
            facts["repository"] = reference.repository
    out.finding(rule, severity, Confidence.HIGH, message, line=line, **facts)


def _remote(reference: CodeReference) -> tuple[Severity, str]:
    if reference.kind == "kernel":
        return Severity.HIGH, f"{reference.key} makes the loader fetch code, {reference.value!r}"
    if reference.repository:
        return Severity.HIGH, f"{reference.key} loads code from another repository, {reference.repository!r}"
    return Severity.MEDIUM, f"{reference.key} makes a loader run {reference.module}.py of this repository"


def severity_of(target: str) -> Severity:
    """Of a callable by its dotted name. Interpolated names are not resolved: they count as what they hide."""
    target = target.strip().replace(":", ".")
    if "${" in target:
        return Severity.HIGH
    if _DANGEROUS.match(target) or _does_harm(target):
        return Severity.CRITICAL
    if not target.startswith(_FRAMEWORKS):
        return Severity.MEDIUM
    name = target.rpartition(".")[2]
    if name[:1].isupper() or _allowed(target) or not _REACHES_FURTHER.search(name):
        return Severity.NOTE
    return Severity.MEDIUM


def _cuts(target: str) -> list[tuple[str, str]]:
    parts = target.split(".")
    return [(".".join(parts[:cut]), ".".join(parts[cut:])) for cut in range(1, len(parts))]


def _does_harm(target: str) -> bool:
    """Whether a dotted name is one that no pickle may call either (`torch.hub.load`)."""
    return any(danger(module, name) is not None for module, name in _cuts(target))


def _allowed(target: str) -> bool:
    return any(known(module, name) is not None for module, name in _cuts(target))


@cache
def _pipelines() -> frozenset[str]:
    """Names of the pipeline packages of diffusers, which a component may name as its library."""
    text = (files("assay.inspections") / "data" / "diffusers-pipelines.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["names"].split())


def judge_environment(document: Any, out: Collector) -> None:
    """Channels of a conda environment, packages of a BentoML service, commands of builds and projects."""
    if not isinstance(document, dict):
        return
    lines: list[str] = []
    if set(document) >= _CONDA:
        for channel in _texts(document.get("channels")):
            if "://" in channel and not channel.startswith(_CHANNELS):
                message = f"packages are taken from {channel[:200]} (channel)"
                out.finding("requirement-index", Severity.MEDIUM, Confidence.HIGH, message, url=channel[:500])
    python = document.get("python")
    if isinstance(python, dict) and "service" in document:
        lines += _texts(python.get("packages"))
        lines += [f"--index-url {url}" for url in _texts(python.get("index_url"))]
        lines += [f"--extra-index-url {url}" for url in _texts(python.get("extra_index_url"))]
    if lines:
        from assay.inspections.sourcecode_scripts import judge_requirements  # noqa: PLC0415 - few configurations do

        judge_requirements("\n".join(lines), out)
    if commands := [*_commands(document)]:
        from assay.inspections.sourcecode_scripts import judge_shell  # noqa: PLC0415

        judge_shell("\n".join(commands), out)


def _commands(document: dict[str, Any]) -> Iterator[str]:
    """Steps of a Cog build, DVC stages, spaCy projects and MLflow projects."""
    build = document.get("build")
    if isinstance(build, dict):
        yield from _texts(build.get("run"))
    for group, key in (("stages", "cmd"), ("commands", "script"), ("entry_points", "command")):
        steps = document.get(group)
        for step in steps.values() if isinstance(steps, dict) else steps if isinstance(steps, list) else ():
            if isinstance(step, dict):
                yield from _texts(step.get(key))


def _texts(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
