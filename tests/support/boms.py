"""A small model with everything that a bill of materials has a field for, inspected for real."""

from __future__ import annotations

import json
from typing import Any

from assay.core.digest import Digest
from assay.core.evidence import Evidence, Outcome
from assay.core.inspector import Subject
from assay.core.limits import Limits
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.inspections.card_facts import CardFacts
from assay.inspections.licence import Licence
from assay.inspections.runner import inspect
from assay.provenance.bom.build import KnownBase, build
from assay.provenance.bom.record import Record
from tests.support import admitted
from tests.support.scan import Memory

COMMIT = "c" * 40
MIT = "Permission is hereby granted, free of charge. The above copyright notice and this permission notice"


def safetensors(**shapes: tuple[int, ...]) -> bytes:
    """A file of float32 zeros; `__` in a name stands for a dot."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name.replace("__", ".")] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw + bytes(at)


def card(text: str = "A model.", **front: Any) -> bytes:
    """A README with front matter."""
    return f"---\n{json.dumps(front)}\n---\n{text}\n".encode()


FRONT: dict[str, Any] = {
    "license": "mit",
    "base_model": ["org/base"],
    "base_model_relation": "finetune",
    "datasets": ["org/reviews"],
    "language": ["en"],
    "pipeline_tag": "text-classification",
}
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "hidden_size": 4,
    "vocab_size": 8,
    "num_hidden_layers": 2,
}
WEIGHTS = {
    "bert__embeddings__word_embeddings__weight": (8, 4),
    "bert__encoder__layer__0__dense__weight": (4, 4),
    "bert__encoder__layer__1__dense__weight": (4, 4),
}
BODY = f"A model. Trained with https://github.com/org/training/commit/{COMMIT} once."
FILES: dict[str, bytes] = {
    "README.md": card(BODY, **FRONT),
    "LICENSE": MIT.encode(),
    "chat_template.jinja": b"{{ messages }}",
    "config.json": json.dumps(CONFIG).encode(),
    "model.safetensors": safetensors(**WEIGHTS),
    "preprocessor_config.json": b"{}",
    "tokenizer.json": b"{}",
    "tokenizer_config.json": json.dumps({"tokenizer_class": "BertTokenizer"}).encode(),
}
LINE: dict[str, Any] = {
    "metric": "accuracy", "claimed": 0.9, "measured": 0.75, "interval": [0.7, 0.8], "n": 100, "suite": "reviews",
    "dataset": "sha256:" + "d" * 64, "verdict": "refuted", "reason": "the claim is beyond the interval", "notes": [],
    "method": "exact", "spread": 0.0, "claim": {"metric": "accuracy", "value": 0.9, "written": "accuracy: 0.9",
                                                "dataset": "reviews"},
}  # fmt: skip


def snapshot_of(files: dict[str, bytes], name: str = "org/model", **origin: str) -> Snapshot:
    entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
    return Snapshot.of(entries, Origin(**{"kind": "directory", "uri": "file:///somewhere", "name": name} | origin))


def evidence_of(snapshot: Snapshot, inspector: str, outcome: Outcome = Outcome.CLEAN, **facts: Any) -> Evidence:
    return Evidence(snapshot.id, inspector, "1", {}, outcome, facts=facts)


def record_of(
    files: dict[str, bytes] | None = None,
    *more: tuple[str, dict[str, Any]],
    name: str = "org/model",
    known: dict[str, KnownBase] | None = None,
    findings: tuple[Any, ...] = (),
    environment: str = "",
    **origin: str,
) -> Record:
    """The record of files that are really inspected, and of evidence of other inspectors: (name, facts)."""
    files = FILES if files is None else files
    snapshot = snapshot_of(files, name, **origin)
    evidence = [*inspect(Subject(snapshot, Memory(files), Limits()), (CardFacts, Licence))]
    evidence += [evidence_of(snapshot, inspector, **facts) for inspector, facts in more]
    if findings:
        evidence.append(Evidence(snapshot.id, "tensors", "1", {}, Outcome.FOUND, findings=findings))
    verdict = admitted.verdict(snapshot)
    return build(snapshot, evidence, verdict, name=name, known=known, environment=environment)
