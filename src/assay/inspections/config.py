"""Configuration files that make a loader run code.

What it reads: JSON files (`config.json` and its family, tokenizer and adapter configurations, pipeline and module
indexes) and YAML files, at every depth.
What it reports: references to Python code in the repository or in another one, `trust_remote_code` set in a file,
Hydra `_target_` entries and HyperPyYAML tags, YAML tags that build Python objects, kernel repositories, keys that stand
twice, files that are no JSON.
Why it matters: with `trust_remote_code=True` these names are imported, and a reference to another repository is code
that nobody pinned.
What it cannot see: what a library does with keys of its own that are not listed here.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError, LimitExceeded
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.inspections.references import CodeReference, references

if TYPE_CHECKING:
    from assay.inspections.parts import Collector, Part

_SAFE_TARGETS = (
    "torch.", "torchvision.", "torchaudio.", "transformers.", "diffusers.", "nemo.", "pytorch_lightning.", "lightning.",
    "omegaconf.", "numpy.", "sklearn.", "peft.", "timm.", "megatron.", "apex.", "detectron2.", "hydra.",
    "torchmetrics.", "speechbrain.", "random.", "sentence_transformers.",
)  # fmt: skip
_DANGEROUS_TARGET = re.compile(
    r"(?:builtins\.|os\.|posix\.|subprocess\.|shutil\.|importlib\.|pickle\.|runpy\.|pty\.|ctypes\.|code\.|sys\.|socket\.)"
    r"|.*\b(?:exec|eval|system|popen|run_module|load_module)\b"
)
_YAML_TAG = re.compile(
    r"!!python/[\w/]+(?::[\w.]+)?|!<tag:yaml\.org,2002:python[^>]*>|tag:yaml\.org,2002:python/[\w/:.]+"
    r"|(?m:^%TAG\s+\S+\s+\S*tag:yaml\.org\S*)"  # a short name for any of them
)
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")  # YAML tags are URIs
_YAML_TARGET = re.compile(r"(?:^|[\s{,\[?])['\"]?_target_['\"]?\s*:\s*['\"]?([\w.]+)", re.MULTILINE)
# HyperPyYAML calls, or imports, what follows these tags while it loads the file
_HYPER_TAG = re.compile(r"(?<![\w!])!(new|apply|name|module):\s*([A-Za-z_][\w.]*)")
_HARMLESS_TAGS = frozenset(("!!python/tuple", "!!python/none", "!!python/bool", "!!python/int", "!!python/str",
                            "!!python/unicode", "!!python/float", "!!python/list", "!!python/dict", "!!python/long",
                            "!!python/complex", "!!python/bytes"))  # fmt: skip


class Config:
    """The inspector `config`."""

    name = "config"
    local = True
    version = "1"

    def wants(self, part: Part) -> bool:
        """JSON and YAML."""
        return bool({"json", "jsonl", "yaml"}.intersection(part.formats))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Parse and judge."""
        data = part.read_all(part.limits.text_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.text_bytes} bytes")
            return
        if "yaml" in part.formats:
            _yaml(data.decode("utf-8", "replace"), out)
        if "json" in part.formats:
            _json(part, data, out)


def _json(part: Part, data: bytes, out: Collector) -> None:
    base = part.name.rsplit("/", 1)[-1]
    promised = base.lower().endswith(".json")
    try:
        document = read_json(data, depth=part.limits.json_depth)
    except LimitExceeded as error:
        out.finding("config-broken", Severity.MEDIUM, Confidence.HIGH, str(error))
        out.unread(str(error))
        return
    except ContentError as error:
        if promised:
            out.finding("config-broken", Severity.LOW, Confidence.HIGH, f"named .json, but {error}")
            out.unread(str(error))
        return
    for anomaly in document.anomalies:
        out.finding("config-duplicate-key", Severity.LOW, Confidence.HIGH, anomaly.detail)
    for reference in references(document.value, base):
        _judge(reference, out)


def _judge(reference: CodeReference, out: Collector) -> None:
    """One reference to code: how bad depends on whose code it is."""
    facts: dict[str, Any] = {"key": reference.key, "value": reference.value[:500]}
    rule, severity, message = "config-remote-code", Severity.MEDIUM, ""
    if reference.kind == "trust":
        rule, message = "config-trust-remote-code", "asks loaders to trust code that comes with the model"
    elif reference.kind == "target":
        rule = "config-target"
        if _DANGEROUS_TARGET.match(reference.value) or _does_harm(reference.value):
            severity = Severity.CRITICAL
        elif reference.value.startswith(_SAFE_TARGETS):
            severity = Severity.NOTE
        message = f"{reference.key} = {reference.value!r} is called when the configuration is instantiated"
    elif reference.kind == "library":
        if "." not in reference.key and reference.module in _pipelines():
            return
        rule, message = "config-library", f"{reference.key} makes the loader import {reference.module!r}"
    elif reference.kind == "kernel":
        severity, message = Severity.HIGH, f"{reference.key} makes the loader fetch code, {reference.value!r}"
        facts["repository"] = reference.repository
    elif reference.repository:
        severity = Severity.HIGH
        message = f"{reference.key} loads code from another repository, {reference.repository!r}"
        facts["repository"] = reference.repository
    else:
        message = f"{reference.key} makes a loader run {reference.module}.py of this repository"
    out.finding(rule, severity, Confidence.HIGH, message, **facts)


@cache
def _pipelines() -> frozenset[str]:
    """Names of the pipeline packages of diffusers, which a component may name as its library."""
    text = (files("assay.inspections") / "data" / "diffusers-pipelines.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["names"].split())


def _does_harm(target: str) -> bool:
    """Whether a dotted name is one that no pickle may call either (`torch.hub.load`)."""
    from assay.inspections.pickle_names import danger  # noqa: PLC0415 - large tables

    parts = target.split(".")
    return any(danger(".".join(parts[:cut]), ".".join(parts[cut:])) is not None for cut in range(1, len(parts)))


def _yaml(text: str, out: Collector) -> None:
    """YAML is not parsed: what matters are tags and targets, and those are lexical."""
    text = _ESCAPED.sub(lambda escape: chr(int(escape.group()[1:], 16)), text)
    for match in _YAML_TAG.finditer(text):
        if match.group() in _HARMLESS_TAGS:
            continue
        line = text.count("\n", 0, match.start()) + 1
        message = f"the tag {match.group()[:120]!r} builds a Python object when the file is loaded unsafely"
        out.finding("config-yaml-tag", Severity.HIGH, Confidence.HIGH, message, line=line, tag=match.group()[:200])
    for match in _YAML_TARGET.finditer(text):
        _judge(CodeReference("target", "_target_", match.group(1), module=match.group(1)), out)
    for match in _HYPER_TAG.finditer(text):
        _judge(CodeReference("target", f"!{match.group(1)}", match.group(2), module=match.group(2)), out)
