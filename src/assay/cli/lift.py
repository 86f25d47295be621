"""`assay lift`: see `revoke`."""

from __future__ import annotations

from assay.cli.revoke import configure_lift as configure
from assay.cli.revoke import run_lift as run

__all__ = ["configure", "run"]
