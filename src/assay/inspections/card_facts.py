"""What a model declares about itself, beside what its weights say.

What it reads: the front matter and text of `README.md`, licence texts, `config.json`, configurations of adapters and
tokenizers, chat templates, the headers of safetensors and GGUF files; of preprocessing files their names.
What it reports: facts for the bill of materials (declared bases, data sets, licence, languages, training commit;
architecture and parameter count read from the weights; tokenizer, template and preprocessing files); a configuration or
an index that states other sizes than the weights have; a licence text that is not the declared licence; a permissive
licence over a base with terms of its own; two names for the base.
Why it matters: a bill of materials repeats what stands here. What the files contradict must not become a field of it.
What it cannot see: whether a declared base or data set was really used: weights are compared elsewhere. Parameters of
pickles, ONNX and other formats are not counted. Which licence a base has is known from a short list of families alone.
References: https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.inspections.card_text import RELATIONS, Card, read_card, texts
from assay.inspections.licences import licences
from assay.inspections.weight_facts import GGML_TYPES, WeightFacts, contradictions

if TYPE_CHECKING:
    from assay.core.inspector import Subject
    from assay.inspections.parts import Collector, Part

PREPROCESSING = frozenset((
    "preprocessor_config.json", "processor_config.json", "image_processor_config.json", "feature_extractor_config.json",
    "video_preprocessor_config.json",
))  # fmt: skip
TOKENIZER = frozenset((
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt",
    "spiece.model", "special_tokens_map.json", "added_tokens.json", "sentencepiece.bpe.model", "tekken.json",
))  # fmt: skip
_CONFIGS = frozenset(("config.json", "adapter_config.json", "tokenizer_config.json", "chat_template.json"))
_TEMPLATES = frozenset(("chat_template.jinja", "chat_template.json"))
_LICENCE_NAME = re.compile(r"(?:licen[cs]e|copying|use_policy)(?:[.\-_][\w.\-]*)?$", re.IGNORECASE)
_NOT_COUNTED = (
    *(".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".keras", ".msgpack", ".tflite", ".pkl", ".joblib", ".skops"),
)
_MOST = 200
_CARD_BYTES = 4 << 20


@dataclass
class _Folder:
    """What lies in one folder."""

    config: dict[str, Any] = field(default_factory=dict)
    weights: WeightFacts = field(default_factory=WeightFacts)
    whole: bool = True
    stated_bytes: int = 0
    bytes: int = 0


class CardFacts:
    """The inspector `card-facts`."""

    name = "card-facts"
    version = "1"
    claims = False  # it reads along: a file that nobody else reads is still unread

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}
        self._card = Card()
        self._card_path = ""
        self._adapter: dict[str, Any] = {}
        self._tokenizer: dict[str, Any] = {}
        self._gguf: dict[str, Any] = {}
        self._licence_texts: dict[str, str] = {}
        self._templates: dict[str, str] = {}
        self._files: dict[str, list[str]] = {"tokenizer": [], "preprocessing": [], "not_counted": []}

    def begin(self, subject: Subject, out: Collector) -> None:
        """Sort the listing."""
        del out
        for entry in subject.snapshot.files:
            base = posixpath.basename(entry.path).lower()
            kinds = {"tokenizer": base in TOKENIZER, "preprocessing": base in PREPROCESSING,
                     "not_counted": base.endswith(_NOT_COUNTED)}  # fmt: skip
            for kind, fits in kinds.items():
                if fits and len(self._files[kind]) < _MOST:
                    self._files[kind].append(entry.path)

    def wants(self, part: Part) -> bool:
        """Files of the snapshot by their names, weights by their content."""
        if part.inner:
            return False
        base = posixpath.basename(part.path).lower()
        return (
            base in _CONFIGS | _TEMPLATES
            or part.path.lower() == "readme.md"
            or base.endswith(".safetensors.index.json")
            or bool({"safetensors", "gguf"}.intersection(part.formats))
            or _is_licence(part, base)
        )

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Take what the file says."""
        base = posixpath.basename(part.path).lower()
        if "safetensors" in part.formats:
            self._safetensors(part, base)
        elif "gguf" in part.formats:
            self._read_gguf(part)
        else:
            self._text(part, base, out)

    def _folder(self, path: str) -> _Folder:
        return self._folders.setdefault(posixpath.dirname(path), _Folder())

    def _safetensors(self, part: Part, base: str) -> None:
        from assay.formats.safetensors import read_safetensors  # noqa: PLC0415

        folder = self._folder(part.path)
        try:
            header = read_safetensors(part.stream, part.size, part.limits)
        except ContentError:
            folder.whole = False  # the inspector of safetensors says so
            return
        if base.startswith("adapter"):
            folder.whole = False
        folder.weights.add((tensor.name, tensor.dtype, tensor.shape) for tensor in header.tensors)
        folder.bytes += sum(tensor.end - tensor.start for tensor in header.tensors)

    def _read_gguf(self, part: Part) -> None:
        from assay.formats.gguf import read_gguf  # noqa: PLC0415

        try:
            file = read_gguf(part.stream, part.size, part.limits)
        except ContentError:
            return
        facts = WeightFacts()
        facts.add((t.name, GGML_TYPES.get(t.type, f"type-{t.type}"), t.shape) for t in file.tensors)
        values = file.values
        general = {key: str(values[f"general.{key}"])[:300] for key in _GENERAL if f"general.{key}" in values}
        bases = [str(values[key])[:300] for key in sorted(values) if _GGUF_BASE.fullmatch(key)][:_MOST]
        # Blocks of quantised types hold exactly as many numbers as the shape says: elements are parameters.
        self._gguf[part.path] = facts.to_json() | {"packed": False, "general": general, "bases": bases}
        if template := values.get("tokenizer.chat_template"):
            self._templates[part.path] = _sha256(str(template))

    def _text(self, part: Part, base: str, out: Collector) -> None:
        data = part.read_all(_CARD_BYTES)
        if data is None:
            out.unread(f"longer than {_CARD_BYTES} bytes")
            return
        text = data.decode("utf-8", "replace")
        if part.path.lower() == "readme.md":
            self._card_path, self._card = part.path, read_card(text, depth=part.limits.json_depth)
            if self._card.problem:
                message = f"the front matter can't be read: {self._card.problem}"
                out.finding("card-front-matter", Severity.LOW, Confidence.HIGH, message)
        elif _is_licence(part, base):
            self._licence_texts[part.path] = licences().of_text(text)
        elif base == "chat_template.jinja":
            self._templates[part.path] = _sha256(text)
        else:
            self._json(part, base, data)

    def _json(self, part: Part, base: str, data: bytes) -> None:
        try:
            value = read_json(data, depth=part.limits.json_depth).value
        except ContentError:
            return  # the inspector of configuration files says so
        if not isinstance(value, dict):
            return
        top = "/" not in part.path
        if base == "config.json":
            self._folder(part.path).config = value
        elif base.endswith(".index.json"):
            self._folder(part.path).stated_bytes = _total_size(value)
        elif base == "adapter_config.json" and (top or not self._adapter):
            self._adapter = value
        elif base in {"tokenizer_config.json", "chat_template.json"}:
            if template := value.get("chat_template"):
                text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
                self._templates[part.path] = _sha256(text)
            if base == "tokenizer_config.json" and (top or not self._tokenizer):
                self._tokenizer = value

    def finish(self, out: Collector) -> None:
        """Write the facts and say what contradicts what."""
        config = self._folders.get("", _Folder()).config
        parents = self._parents(config)
        out.fact("parents", parents)
        out.fact("card", self._card.declared | {"path": self._card_path} if self._card_path else {})
        out.fact("sketch", {"values": list(self._card.sketch), "runs": self._card.runs,
                            "generated": self._card.generated})  # fmt: skip
        out.fact(
            "datasets", [{"name": name, "source": self._card_path} for name in self._card.declared.get("datasets", [])]
        )
        out.fact("commits", [{"repository": r, "commit": c, "source": self._card_path} for r, c in self._card.commits])
        out.fact("config", _config(config))
        out.fact("weights", {folder: seen.weights.to_json() for folder, seen in sorted(self._folders.items())
                             if seen.weights.tensors})  # fmt: skip
        out.fact("gguf", self._gguf)
        out.fact("tokenizer", {"files": self._files["tokenizer"], "class": _text(self._tokenizer, "tokenizer_class")})
        out.fact("preprocessing", self._files["preprocessing"])
        out.fact("templates", self._templates)
        out.fact("not_counted", self._files["not_counted"])
        out.fact("licence_texts", self._licence_texts)
        self._judge_sizes(out)
        self._judge_licences(parents, out)

    def _parents(self, config: dict[str, Any]) -> list[dict[str, str]]:
        """Declared parents: name, relation, revision and the file that says so. One row for each of them."""
        card, found = self._card.declared, []
        relation = card.get("base_model_relation", "")
        relation = relation if relation in RELATIONS else ""
        if base := _text(self._adapter, "base_model_name_or_path"):
            found.append(_parent(base, "adapter", "adapter_config.json", _text(self._adapter, "revision")))
        bases = card.get("base_model", [])
        tags = [tag.split(":", 2) for tag in card.get("tags", []) if tag.startswith("base_model:")]
        by_tag = {tag[2]: tag[1] for tag in tags if len(tag) == 3 and tag[1] in RELATIONS}  # noqa: PLR2004
        guess = relation or ("merge" if len(bases) > 1 else "quantized" if self._gguf else "finetune")
        found += [_parent(name, by_tag.get(name, guess), self._card_path) for name in bases]
        found += [_parent(name, by_tag[name], self._card_path) for name in by_tag if name not in bases]
        for path, facts in self._gguf.items():
            found += [_parent(name, "quantized", path) for name in facts["bases"]]
        if teacher := _text(config, "teacher_model") or _text(config, "teacher"):
            found.append(_parent(teacher, "distillation", "config.json"))
        return found[:_MOST]

    def _judge_sizes(self, out: Collector) -> None:
        for path, seen in sorted(self._folders.items()):
            if not (seen.whole and seen.weights.tensors):
                continue
            place = posixpath.join(path, "config.json")
            wrong = [] if seen.weights.packed else contradictions(seen.config, seen.weights)
            severity = Severity.MEDIUM if len(wrong) > 1 else Severity.LOW
            for key, stated, what in wrong:
                message = f"{key} is {stated}, but {what}"
                out.at(place).finding(
                    "weights-contradict-config",
                    severity,
                    Confidence.MEDIUM,
                    message,
                    key=key,
                    stated=min(stated, 1 << 52),
                )
            if seen.stated_bytes and seen.stated_bytes != seen.bytes:
                message = f"the index states {seen.stated_bytes} bytes of tensors, the files hold {seen.bytes}"
                out.at(posixpath.join(path, "model.safetensors.index.json")).finding(
                    "weights-contradict-index", Severity.NOTE, Confidence.HIGH, message
                )

    def _judge_licences(self, parents: list[dict[str, str]], out: Collector) -> None:
        lists, declared = licences(), self._card.declared.get("license", "")
        for path, found in sorted(self._licence_texts.items()):
            if found and declared and declared.lower() not in {found, "other"} and not _kin(declared, found):
                message = f"the text is that of {found}, the card declares {declared}"
                out.at(path).finding("licence-conflict", Severity.LOW, Confidence.MEDIUM, message, text=found,
                                     declared=declared)  # fmt: skip
        for parent in parents:
            licence = lists.of_family(parent["name"])
            if lists.drops_terms(declared, licence):
                message = f"declares {declared} over the base {parent['name']!r}, which is under {licence}"
                out.at(self._card_path).finding(
                    "licence-of-base", Severity.MEDIUM, Confidence.MEDIUM, message, base=parent["name"],
                    licence=licence, declared=declared,
                )  # fmt: skip
        of_adapter = {p["name"] for p in parents if p["relation"] == "adapter" and p["source"] == "adapter_config.json"}
        of_card = {p["name"] for p in parents if p["source"] == self._card_path}
        if of_adapter and of_card and not of_adapter & of_card and "/" in next(iter(of_adapter)):
            message = f"the adapter is of {min(of_adapter)!r}, the card says {min(of_card)!r}"
            out.at("adapter_config.json").finding("base-conflict", Severity.LOW, Confidence.MEDIUM, message)


_GENERAL = (
    "architecture", "name", "type", "size_label", "license", "quantized_by", "file_type", "finetune", "basename",
)  # fmt: skip
_KEPT = ("model_type", "torch_dtype", "dtype", "_name_or_path", "_commit_hash", "transformers_version")
_GGUF_BASE = re.compile(r"general\.base_model\.\d+\.(?:repo_url|name)")


def _parent(name: str, relation: str, source: str, revision: str = "") -> dict[str, str]:
    plain = re.sub(r"^https?://(?:www\.)?huggingface\.co/", "", name.strip().rstrip("/"))
    return {"name": plain[:300], "relation": relation, "source": source, "revision": revision}


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """The keys of a configuration that a bill of materials has a place for."""
    found: dict[str, Any] = {key: text for key in _KEPT if (text := _text(config, key))}
    found["architectures"] = texts(config.get("architectures"))[:20]
    quantised = config.get("quantization_config")
    if isinstance(quantised, dict):
        found["quantised"] = _text(quantised, "quant_method") or "yes"
    return found


def _text(value: dict[str, Any], key: str) -> str:
    item = value.get(key)
    return item[:300] if isinstance(item, str) else ""


def _is_licence(part: Part, base: str) -> bool:
    return "text" in part.formats and bool(_LICENCE_NAME.match(base)) and not base.endswith(".json")


def _total_size(index: dict[str, Any]) -> int:
    metadata = index.get("metadata")
    size = metadata.get("total_size") if isinstance(metadata, dict) else None
    return size if isinstance(size, int) else 0


def _kin(one: str, other: str) -> bool:
    """Whether two ids are versions of one licence (`bsd` and `bsd-3-clause`, `gpl` and `gpl-3.0`)."""
    return other.startswith(one.lower()) or one.lower().startswith(other)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
