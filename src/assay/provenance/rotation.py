"""Rotation and revocation of keys: the key files, and the entries of the trust file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assay.core.errors import TrustError
from assay.core.verdict import format_time
from assay.provenance.keys import KeyRing, PublicKey
from assay.provenance.trust import Trust, trust_entry, write_trust

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

_ENTRY = "[[keys]]"


def rotate(keys: Path, trust: Path, role: str, passphrase: str | None, *, now: datetime) -> PublicKey:
    """Make a new key for a role. The old one stays in the trust file, for what it signed until `now`.

    The old private key is renamed to `<role>.pem.retired`: move it away or destroy it.

    Raises:
        TrustError: when the directory holds no key of that role, or the trust file does not know it.
    """
    old = KeyRing.load(keys, passphrase, roles=(role,)).public(role)
    text = _changed(trust, old.id, "not_after", format_time(now))
    retired = keys / f"{role}.pem.retired"
    (keys / f"{role}.pem").rename(retired)
    try:
        new = KeyRing.add(keys, role, passphrase)
        write_trust(trust, text + trust_entry(new, [role], now=now))
    except (TrustError, OSError):
        retired.rename(keys / f"{role}.pem")
        raise
    return new


def revoke_key(trust: Path, key: str) -> str:
    """Mark a key of a trust file as revoked; returns its whole id.

    Args:
        trust: the trust file.
        key: id, or the first digits of it.

    Raises:
        TrustError: when the trust file holds no such key, or several.
    """
    found = [one.public.id for one in Trust.load(trust).keys if one.public.id.startswith(key)]
    if len(found) != 1 or not key:
        raise TrustError(f"{len(found)} keys in {trust} begin with {key!r}", hint="see `assay key list`")
    write_trust(trust, _changed(trust, found[0], "revoked", "true"))
    return found[0]


def _changed(trust: Path, key: str, field: str, value: str) -> str:
    """The text of a trust file with one field of one entry changed, comments and all else kept."""
    Trust.load(trust)
    head, *entries = trust.read_text("utf-8").split(_ENTRY)
    mine = [number for number, entry in enumerate(entries) if f'id = "{key}"' in entry]
    if len(mine) != 1:
        raise TrustError(f"the trust file {trust} has no entry of its own for key {key[:12]}", hint="edit it by hand")
    entry, count = re.subn(rf"(?m)^{field} = [^\n#]*", f"{field} = {value} ", entries[mine[0]], count=1)
    if not count:
        entry = entry.rstrip("\n") + f"\n{field} = {value}\n"
    entries[mine[0]] = entry
    return _ENTRY.join([head, *entries])
