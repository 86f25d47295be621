"""Words that models are found by, filled from what is there; the listing by time."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_LAYOUTS = (
    ("model_index.json", "diffusers"),
    ("modules.json", "sentence-transformers"),
    ("adapter_config.json", "peft"),
    ("config.json", "transformers"),
)
_FORMATS = (
    (".safetensors", "safetensors"),
    (".gguf", "gguf"),
    (".onnx", "onnx"),
    (".bin", "pytorch"),
    (".pt", "pytorch"),
    (".pth", "pytorch"),
    (".keras", "keras"),
    (".h5", "tf"),
    (".msgpack", "jax"),
)
_MOST = 100  # characters of a word, and words of a name
_ROWS = """
SELECT l.name, s.manifest, (SELECT b.body FROM boms b WHERE b.name_key = l.name_key AND b.kind = 'record'
  AND b.snapshot_id = s.id ORDER BY b.seq DESC LIMIT 1) AS body
FROM listing l JOIN snapshots s ON s.id = CASE l.main_snapshot WHEN '' THEN l.snapshot_id ELSE l.main_snapshot END
"""


def upgrade() -> None:
    """Make the table and the indexes, then the rows."""
    table = op.create_table(
        "listing_tags",
        sa.Column("tag", _TEXT, primary_key=True),
        sa.Column("name", _TEXT, primary_key=True),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.text(_ROWS)).all():
        words = _words([file["path"] for file in json.loads(row.manifest)["files"]], json.loads(row.body or "{}"))
        if words:
            connection.execute(sa.insert(table), [{"tag": word, "name": row.name} for word in words])
    op.create_index("listing_tags_by_name", "listing_tags", ["name"])
    op.create_index("listing_by_move", "listing", ["moved_at", "name"])
    op.create_index("listing_by_creation", "listing", ["created_at", "name"])


def _words(paths: list[str], body: dict[str, Any]) -> list[str]:
    words = [next((word for path, word in _LAYOUTS if path in paths), "")]
    words += [word for end, word in _FORMATS if any(path.endswith(end) for path in paths)]
    values = {key: field.get("value") for key, field in body.get("fields", {}).items() if isinstance(field, dict)}
    words.append(str(values.get("task") or ""))
    architecture, languages, datasets = (values.get(key) for key in ("architecture", "languages", "datasets"))
    if isinstance(architecture, dict):
        words.append(str(architecture.get("model_type") or ""))
    words += map(str, languages if isinstance(languages, list) else [languages or ""])
    words += [f"dataset:{name}" for name in (datasets if isinstance(datasets, list) else [])]
    words += [f"base_model:{one['name']}" for one in body.get("parents", []) if one.get("name")]
    return sorted({word.lower() for word in words if word and len(word) <= _MOST and word.isprintable()})[:_MOST]
