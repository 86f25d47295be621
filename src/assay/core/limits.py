"""Named limits with units. What exceeds one is unread and said, never passed over."""

from __future__ import annotations

from dataclasses import asdict, dataclass

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one inspection. The defaults let every published model of 2026 pass and stop bombs early.

    Attributes:
        files: files in one snapshot.
        depth: nested containers.
        members: entries of all containers of one file.
        expansion_ratio: expanded bytes per packed byte, counted above `expansion_floor_bytes`.
        expansion_floor_bytes: expanded bytes that are always allowed.
        expanded_bytes: expanded bytes of one file.
        header_bytes: a format's header (safetensors: 100 MB in the reference implementation).
        text_bytes: a configuration or source file that is parsed whole.
        json_depth: nesting of a JSON document.
        pickle_memory_bytes: address space of the tracing child.
        pickle_cpu_seconds: CPU time of the tracing child for one pickle.
        pickle_events: recorded events of one pickle.
    """

    files: int = 200_000
    depth: int = 8
    members: int = 200_000
    expansion_ratio: int = 200
    expansion_floor_bytes: int = 16 * MIB
    expanded_bytes: int = 64 * GIB
    header_bytes: int = 100_000_000
    text_bytes: int = 32 * MIB
    json_depth: int = 128
    pickle_memory_bytes: int = 4 * GIB
    pickle_cpu_seconds: int = 120
    pickle_events: int = 100_000

    def to_json(self) -> dict[str, int]:
        """For `Evidence.settings`."""
        return asdict(self)
