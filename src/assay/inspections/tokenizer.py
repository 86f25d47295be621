"""Tokenizer files.

What it reads: `tokenizer.json`, and the added and special tokens in the configurations beside it.
What it reports: rules that rewrite what a model reads or writes into words or addresses, tokens that are prose or have
hidden characters.
Why it matters: a decoder rule changes every answer after the model has given it, and no weight shows it.
What it cannot see: the vocabulary's own entries, and rules of a custom tokenizer class (inspected as code).
References: https://huggingface.co/docs/tokenizers/api/decoders; MITRE ATLAS AML.T0018.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError
from assay.core.finding import Confidence, Severity
from assay.formats.json_text import read_json
from assay.inspections.hidden import judge_hidden
from assay.sourcecode.hidden import find_hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.inspections.parts import Collector, Part

_NAMES = frozenset(("tokenizer.json", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"))
_PIPELINE = ("normalizer", "pre_tokenizer", "decoder", "post_processor")
_WORDS = re.compile(r"[A-Za-z]{3,}|://|<\w+")
_PROSE = re.compile(r"(?:[A-Za-z']{2,}[ ,.;:]+){5,}")
_SHOWN = 20


class Tokenizers:
    """The inspector `tokenizer`."""

    name = "tokenizer"
    version = "1"
    local = True

    def wants(self, part: Part) -> bool:
        """Tokenizer files by their names."""
        return "json" in part.formats and posixpath.basename(part.name) in _NAMES

    def inspect_part(self, part: Part, out: Collector) -> None:
        """Judge rules and tokens."""
        data = part.read_all(part.limits.header_bytes)
        if data is None:
            out.unread(f"longer than {part.limits.header_bytes} bytes")
            return
        try:
            document = read_json(data, depth=part.limits.json_depth).value
        except ContentError:
            return  # the inspector of configuration files reports it
        if not isinstance(document, dict):
            return
        for stage in _PIPELINE:
            for rule in _rules(document.get(stage)):
                _rule(stage, rule, out)
        for token in list(_tokens(document))[:100_000]:
            _token(token, out)


def _rules(stage: Any) -> Iterator[dict[str, Any]]:
    """Steps of a stage, sequences opened."""
    stack = [stage]
    seen = 0
    while stack and seen < 10_000:  # noqa: PLR2004 - tokenizers have a handful
        seen += 1
        node = stack.pop()
        if isinstance(node, list):
            stack += reversed(node)
        elif isinstance(node, dict):
            if isinstance(node.get("type"), str):
                yield node
            stack += [value for value in node.values() if isinstance(value, list | dict)]


def _rule(stage: str, rule: dict[str, Any], out: Collector) -> None:
    """`Replace`, `Prepend` and `Strip` write what they are told."""
    text = rule.get("content", rule.get("prepend"))
    if rule["type"] not in {"Replace", "Prepend", "Append"} or not isinstance(text, str) or not _WORDS.search(text):
        return
    pattern = rule.get("pattern")
    shown = str(next(iter(pattern.values()), "")) if isinstance(pattern, dict) else ""
    severity = Severity.HIGH if stage == "decoder" else Severity.MEDIUM
    what = "the model writes" if stage == "decoder" else "the model reads"
    message = f"a rule of the {stage} rewrites {shown[:100]!r} to {text[:200]!r} in what {what}"
    out.finding(
        "tokenizer-rewrites", severity, Confidence.HIGH, message, stage=stage, pattern=shown[:300], text=text[:500]
    )


def _tokens(document: dict[str, Any]) -> Iterator[str]:
    """Added and special tokens, in all forms that the files have."""
    added = document.get("added_tokens")
    decoder = document.get("added_tokens_decoder")
    for group in (added, list(decoder.values()) if isinstance(decoder, dict) else decoder):
        for token in group if isinstance(group, list) else ():
            if isinstance(token, dict) and isinstance(token.get("content"), str):
                yield token["content"]
    for key, value in document.items():
        if key.endswith("_token"):
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                yield text
        elif isinstance(value, int) and not isinstance(value, bool) and "added_tokens" not in document:
            yield key  # added_tokens.json: token to id


def _token(token: str, out: Collector) -> None:
    if len(token) > 1:
        judge_hidden(
            [item for item in find_hidden(token) if item.kind in {"tag", "bidi", "selector-run"}], out, code=False
        )
    if _PROSE.search(token):
        message = f"a token is prose: {token[:200]!r}"
        out.finding("tokenizer-token", Severity.MEDIUM, Confidence.MEDIUM, message, token=token[:500])
