"""Configuration files that make a loader run code.

What it reads: JSON files (`config.json` and its family, tokenizer and adapter configurations, pipeline and module
indexes), YAML and TOML files, `MLmodel`, spaCy's `config.cfg`, Gin, Caffe's networks in text, at every depth.
What it reports: references to Python code in the repository or in another one, `trust_remote_code` set in a file,
Hydra `_target_` entries, classes by path (Lightning, Rasa, AllenNLP, LangChain, MLflow, BentoML, GluonTS, MSON,
Haystack, AutoGen), what jsonpickle builds, HyperPyYAML and Python tags, kernel repositories, functions that spaCy must
have registered, hooks and tool servers of editors, commands of projects and builds, values that are Python, packages
from unusual places, files taken from outside the folder, keys that stand twice, files that are no JSON.
Why it matters: with `trust_remote_code=True` these names are imported, and a reference to another repository is code
that nobody pinned.
What it cannot see: what a library does with keys of its own that are not listed here.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError, LimitExceeded
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.formats.yaml_text import read_yaml_values, yaml_text
from assay.inspections.code_reference import CodeReference
from assay.inspections.config_executed import judge_executed
from assay.inspections.config_judgement import judge_environment, judge_reference
from assay.inspections.config_templates import judge_templates
from assay.inspections.references import references
from assay.inspections.references_calls import TRIGGER as CALLS
from assay.inspections.references_loaders import NAMES, registered_functions
from assay.inspections.references_logging import file_references
from assay.inspections.references_serialised import BY_SUFFIX as SERIALISED
from assay.inspections.references_serialised import TRIGGER
from assay.inspections.references_serving import BY_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.inspections.parts import Collector, Part

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


_UNESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|\r?\n[ \t]*)")  # in double quotes
# Whether a YAML file is worth parsing: any of the words that references are made of
_TRIGGER = re.compile(
    r"_target_|_instantiator|class_path|custom_|kernel_mapping|user[-_]dir|_BASE_|_base_|WEIGHTS|weights|mcpServers|hooks"
    r"|_delete_|default_scope|handlers:|formatters:|\(\)['\"]?:"
    r"|\btype:[ \t]*['\"]?(?:os|posix|subprocess|builtins|importlib|runpy|pty|shutil|pickle|sys)\."
    r"|trust_remote_code|template_format|auto_map|attn_implementation|_type|\blc\b|type_hint|constructor_name|dataset_reader|flavors|activation"
    r"|signatures|service|pipeline|policies|tracker_store|event_broker|lock_store|dependencies|packages|\brun:|\bcmd:|script:|entry_points|"
    + TRIGGER
    + "|"
    + CALLS
)
_EXPRESSION = re.compile(
    r"__import__\s*\(|\bos\.(?:system|popen|exec\w+|spawn\w+)\s*\(|\bsubprocess\.\w+\s*\(|\b(?:exec|eval)\s*\(\s*[\"'(\w]"
    r"|__(?:subclasses|globals|builtins|mro|class)__"
)
_PROSE = re.compile(
    r"template|prompt|descri|text|comment|content|message|example|instruction|readme|doc|question|answer|code$",
    re.IGNORECASE,
)
_SETTINGS = re.compile(r"config|param|args|setting|option|meta|model|train|recipe|yolo", re.IGNORECASE)
_LONGEST_EXPRESSION = 2_000
# Whether a document may hold a template that is worth reading: it says so, or it names what templates escape by
_TEMPLATES = re.compile(
    rb"jinja2|__(?:class|globals|subclasses|builtins|mro|base|init|import|dict|getattribute)|\\[xu](?:00)?[57]|attr\s*\("
)
_BY_SUFFIX = {**SERIALISED, ".ini": file_references, ".conf": file_references, ".cfg": file_references}
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_YAML_NAMES = ("mlmodel", "mlproject")


class Config:
    """The inspector `config`."""

    name = "config"
    local = True
    version = "1"

    def wants(self, part: Part) -> bool:
        """JSON, YAML, TOML and what is written in them without saying so in the name."""
        if {"json", "jsonl", "yaml", "toml"}.intersection(part.formats):
            return True
        if "markdown" in part.formats:
            return True  # for the tags of its front matter
        return "text" in part.formats and part.name.lower().endswith((".cfg", *_YAML_NAMES, *_BY_SUFFIX, *BY_FILE))

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Parse and judge."""
        data = part.read_all(part.limits.text_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.text_bytes} bytes")
            return
        base = part.name.rsplit("/", 1)[-1]
        if "markdown" in part.formats and (front := _FRONT_MATTER.match(data.decode("utf-8", "replace"))):
            _tags(_plain(front[1]), out)
        if "yaml" in part.formats or base.lower() in _YAML_NAMES:
            _yaml(part, yaml_text(data), base, out)
        if "toml" in part.formats:
            _toml(data, base, out)
        if base.lower().endswith(".cfg"):
            for line, reference in registered_functions(data.decode("utf-8", "replace")):
                judge_reference(reference, out, line)
        if read := BY_FILE.get(base) or _BY_SUFFIX.get(PurePosixPath(base.lower()).suffix):
            for line, reference in read(data.decode("utf-8", "replace")):
                judge_reference(reference, out, line)
        if "json" in part.formats and not base.lower().endswith(".cfg"):
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
            _tags(_plain(data.decode("utf-8", "replace")), out)  # a reader of YAML takes it for YAML
            out.finding("config-broken", Severity.LOW, Confidence.HIGH, f"named .json, but {error}")
            out.unread(str(error))
        return
    for anomaly in document.anomalies:
        out.finding("config-duplicate-key", Severity.LOW, Confidence.HIGH, anomaly.detail)
    _document(document.value, base, out, templates=_TEMPLATES.search(data) is not None)


def _document(document: Any, base: str, out: Collector, *, templates: bool) -> None:
    for reference in references(document, base):
        judge_reference(reference, out)
    judge_environment(document, out)
    judge_executed(document, out)
    if templates:
        judge_templates(document, out)
    if _SETTINGS.search(base):
        for key, text in _expressions(document):
            message = f"{key} = {text[:200]!r} is Python; some programs evaluate what stands there"
            out.finding("config-expression", Severity.MEDIUM, Confidence.LOW, message, key=key, value=text[:500])


def _expressions(document: Any) -> Iterator[tuple[str, str]]:
    """(key, text) of values that are Python with a call that no setting needs; prose and templates are left out."""
    stack: list[tuple[str, Any]] = [("", document)]
    seen: set[int] = set()
    while stack:
        path, node = stack.pop()
        if isinstance(node, str):
            if len(node) <= _LONGEST_EXPRESSION and _EXPRESSION.search(node):
                yield path, node
        elif isinstance(node, (dict, list)) and id(node) not in seen:
            seen.add(id(node))
            items = node.items() if isinstance(node, dict) else enumerate(node)
            stack += [
                (f"{path}.{key}" if path else str(key), item)
                for key, item in items
                if isinstance(item, (str, dict, list)) and not _PROSE.search(str(key))
            ]


def _toml(data: bytes, base: str, out: Collector) -> None:
    try:
        document = tomllib.loads(data.decode("utf-8", "replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return  # no loader reads it either
    _document(document, base, out, templates=_TEMPLATES.search(data) is not None)


def _yaml(part: Part, text: str, base: str, out: Collector) -> None:
    """Tags are looked for in the text, since they matter wherever they stand; keys and values by structure."""
    plain = _plain(text)
    _tags(plain, out)
    for match in _HYPER_TAG.finditer(plain):
        judge_reference(CodeReference("target", f"!{match.group(1)}", match.group(2), module=match.group(2)), out)
    named = base.lower() in NAMES
    if not named and not _TRIGGER.search(plain) and not _EXPRESSION.search(plain):
        return
    try:
        documents = read_yaml_values(text, depth=part.limits.json_depth)
    except ContentError:  # what is too long or broken is read by its lines
        for match in _YAML_TARGET.finditer(plain):
            judge_reference(CodeReference("target", "_target_", match.group(1), module=match.group(1)), out)
        return
    templates = _TEMPLATES.search(plain.encode("utf-8", "replace")) is not None
    for document in documents:
        _document(document, base, out, templates=templates)


def _plain(text: str) -> str:
    """Text without the escapes of YAML's tags and double quotes."""
    return _UNESCAPE.sub(_unescaped, _ESCAPED.sub(lambda escape: chr(int(escape.group()[1:], 16)), text))


def _tags(plain: str, out: Collector) -> None:
    """Tags that build a Python object."""
    for match in _YAML_TAG.finditer(plain):
        if match.group() in _HARMLESS_TAGS:
            continue
        line = plain.count("\n", 0, match.start()) + 1
        message = f"the tag {match.group()[:120]!r} builds a Python object when the file is loaded unsafely"
        out.finding("config-yaml-tag", Severity.HIGH, Confidence.HIGH, message, line=line, tag=match.group()[:200])


def _unescaped(escape: re.Match[str]) -> str:
    digits = escape[1] or escape[2] or escape[3]
    if not digits:
        return ""
    code = int(digits, 16)
    return chr(code) if code <= sys.maxunicode and not 0xD800 <= code <= 0xDFFF else escape[0]  # noqa: PLR2004 - surrogates
