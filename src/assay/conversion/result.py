"""What comes of a conversion, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assay.core.errors import ContentError

if TYPE_CHECKING:
    from assay.core.digest import Digest
    from assay.core.finding import Finding


class Refused(ContentError):
    """A model that is not converted.

    Attributes:
        file: path in the model; empty for the model as a whole.
        findings: what the static scan found in it, when that is the reason.
    """

    def __init__(self, message: str, *, file: str = "", findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message)
        self.file = file
        self.findings = findings


@dataclass(frozen=True)
class Converted:
    """One file that was converted.

    Attributes:
        source: its path in the model.
        source_digest: SHA-256 of it.
        target: path of what was written.
        target_digest: SHA-256 of that, read back from the disk.
        kind: `torch`, or `sklearn`.
        tensors: how many were written and compared, bit by bit.
        size: bytes of what was written.
        key: wrapper that the state dict stood under; empty for none.
        shared: groups of names that shared their bytes; each has bytes of its own now.
        left_out: what else was in the file, and is in no safe file.
        root: digest over the names, types, shapes and SHA-256 of all tensors (`tensor_root`).
        existed: the safe file was there already, and holds the same.
    """

    source: str
    source_digest: Digest
    target: str
    target_digest: Digest
    kind: str
    tensors: int
    size: int
    key: str = ""
    shared: tuple[tuple[str, ...], ...] = ()
    left_out: tuple[str, ...] = ()
    root: Digest | None = None
    existed: bool = False

    def to_json(self) -> dict[str, Any]:
        """As `--format json` and the statement have it."""
        return {
            "source": {"path": self.source, "sha256": self.source_digest.hex},
            "target": {"path": self.target, "sha256": self.target_digest.hex, "size": self.size},
            "kind": self.kind,
            "tensors": self.tensors,
            "tensor_root": self.root.hex if self.root else None,
            "key": self.key,
            "shared": [list(group) for group in self.shared],
            "left_out": list(self.left_out),
            "existed": self.existed,
        }


@dataclass(frozen=True)
class Conversion:
    """A model that was converted.

    Attributes:
        source: id of the snapshot that was converted.
        files: what was converted.
        copied: files that were taken over as they are.
        left_behind: files that were not taken over, and why.
        proof: what was compared, by whom, and how it ended; `probe` says what a forward pass gave.
        layers: of the sandbox that the proof ran in.
        attempts: what the guest tried and was refused.
    """

    source: Digest
    files: tuple[Converted, ...]
    copied: tuple[str, ...]
    left_behind: tuple[tuple[str, str], ...]
    proof: dict[str, Any]
    layers: dict[str, bool] = field(default_factory=dict)
    attempts: tuple[dict[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `--format json` has it."""
        return {
            "source": str(self.source),
            "files": [one.to_json() for one in self.files],
            "copied": list(self.copied),
            "left_behind": [{"path": path, "reason": reason} for path, reason in self.left_behind],
            "proof": self.proof,
            "layers": self.layers,
            "attempts": list(self.attempts),
        }
