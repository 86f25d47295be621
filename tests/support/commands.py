"""Every command, with all that it imports when it is run: for processes that are forked from one (`forks.py`)."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import assay

_LEFT_OUT = ("assay.workers.", "assay.store.migrations.", "assay.__main__")  # programs of their own

for _module in pkgutil.walk_packages(assay.__path__, "assay.", onerror=None):
    if not _module.name.startswith(_LEFT_OUT):
        import_module(_module.name)
