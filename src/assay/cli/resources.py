"""Open what an admission needs: keys, policy, index and blobs, from the settings."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from assay.core.errors import UsageError

if TYPE_CHECKING:
    from assay.cli.settings import Settings
    from assay.policy.model import Policy
    from assay.provenance.keys import KeyRing

PASSPHRASE = "ASSAY_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable


def open_ring(settings: Settings) -> KeyRing:
    """The private keys; asks for their passphrase on a terminal when the environment does not hold it.

    Raises:
        UsageError: when there are none.
        TrustError: wrong passphrase, or keys that everybody can read.
    """
    from assay.provenance.keys import KeyRing  # noqa: PLC0415

    if not settings.keys.is_dir():
        raise UsageError(f"the data directory {settings.data} has no keys", hint="run `assay init` first")
    passphrase = os.environ.get(PASSPHRASE)
    if not passphrase and KeyRing.encrypted(settings.keys) and sys.stdin.isatty() and sys.stderr.isatty():
        from getpass import getpass  # noqa: PLC0415

        passphrase = getpass("passphrase of the keys: ", sys.stderr)
    return KeyRing.load(settings.keys, passphrase)


def open_policy(settings: Settings) -> Policy:
    """The policy in force.

    Raises:
        PolicyError: when the file is not a policy.
        UsageError: when it can't be read.
    """
    from assay.policy.model import load_policy  # noqa: PLC0415

    if settings.policy is None:
        return load_policy(None)
    try:
        return load_policy(settings.policy.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read the policy {settings.policy}: {error}", hint="check the path") from error
