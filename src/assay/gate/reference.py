"""How a command names a model: `org/name[@revision]`."""

from __future__ import annotations

from assay.core.name import check_name
from assay.registry.records import MAIN


def split_reference(reference: str) -> tuple[str, str]:
    """`org/name[@revision]` as (name, revision); the revision is `main` when none is given.

    Raises:
        UsageError: when it is no name of a model.
    """
    name, _, revision = reference.partition("@")
    return check_name(name), revision or MAIN
