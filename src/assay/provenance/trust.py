"""The trust file: which key may sign what, and when. It is the verifier's own, never taken from what is verified."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from assay.core.digest import Digest
from assay.core.errors import TrustError, UsageError
from assay.core.verdict import format_time
from assay.provenance import dsse
from assay.provenance.keys import ALL_ROLES, NOTE_ROLES, ROLES, KeyRing, PublicKey, read_public_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from cryptography import x509

    from assay.core.statement import Envelope
    from assay.provenance.certificates import Authority
    from assay.provenance.keyless import Keyless

TRUST_SCHEMA = "assay.trust/v1"
KEY_LIFETIME = timedelta(days=1096)  # three years, the upper end of NIST SP 800-57 part 1, 5.3.6 for signing keys
MAX_AGE_DAYS = 30  # default of a new trust file
MAX_SKEW = timedelta(minutes=5)  # a statement may be ahead of our clock by so much
MAX_TRUST_BYTES = 1 << 20  # a trust file is read by people

_TOP = {"schema", "max_age_days", "accepted_policies", "keys", "authorities", "timestamps", "log_required", "keyless"}
_KEY = {"id", "roles", "not_before", "not_after", "revoked", "pem", "person"}
_OPTIONAL = {"accepted_policies", "revoked", "person", "authorities", "timestamps", "keys", "log_required", "keyless"}
_TIMESTAMPS = {"required", "pem"}
_HEAD = f"""\
# Whose signatures this verifier believes. Keep it with the verifier; never take it from a model's folder.
schema = "{TRUST_SCHEMA}"
# A view of the registry older than this can't tell whether a model was revoked: `assay verify` could not tell then.
max_age_days = {{days}}
# Policies whose verdicts count, by digest (`assay policy show`). Without this line: any policy of a trusted approver.
# accepted_policies = ["sha256:…"]
"""
_ENTRY = '''
[[keys]]
id = "{id}"  # SHA-256 of the public key (SPKI, DER)
roles = ["{role}"]
not_before = {not_before}
not_after = {not_after}
revoked = false  # true: nothing it ever signed counts
pem = """
{pem}"""
'''


@dataclass(frozen=True)
class TrustedKey:
    """A key of the trust file.

    Attributes:
        public: the key.
        roles: what it may sign.
        not_before: statements made earlier do not count.
        not_after: statements made later do not count. A signer claims its own time: a leaked key must be `revoked`.
        revoked: nothing that it ever signed counts.
        person: whose key it is; empty for a machine's. A person's decision counts under this name alone.
    """

    public: PublicKey
    roles: frozenset[str]
    not_before: datetime
    not_after: datetime
    revoked: bool = False
    person: str = ""

    def check(self, roles: Iterable[str], at: datetime) -> None:
        """Make sure that the key may sign as one of `roles` at `at`.

        Raises:
            TrustError: with the reason.
        """
        name = f"key {self.public.id[:12]}"
        if self.revoked:
            raise TrustError(f"{name} is revoked in the trust file")
        if not self.roles & set(roles):
            held = ", ".join(sorted(self.roles))
            raise TrustError(f"{name} is trusted as {held}, not as {' or '.join(sorted(roles))}")
        if at < self.not_before:
            raise TrustError(f"{name} was not valid yet at {format_time(at)}")
        if at >= self.not_after:
            raise TrustError(f"{name} expired on {format_time(self.not_after)}")


@dataclass(frozen=True)
class Trust:
    """What a verifier believes.

    Attributes:
        keys: never empty.
        max_age: how old a view of the registry may be.
        accepted_policies: digests of policies; None accepts the policy of any trusted approver.
        authorities: whose certificates say which key may sign what.
        stampers: root certificates of time-stamp authorities.
        stamps_required: whether a statement without a valid time-stamp does not count.
        log_required: whether a folder must bring proofs that the log holds its statements.
        refused: why certificates that were offered are not believed.
        keyless: identities whose Sigstore signatures count, on what came from outside.
    """

    keys: tuple[TrustedKey, ...]
    max_age: timedelta
    accepted_policies: frozenset[Digest] | None = None
    authorities: tuple[Authority, ...] = ()
    stampers: tuple[x509.Certificate, ...] = ()
    stamps_required: bool = False
    log_required: bool = False
    refused: tuple[str, ...] = ()
    keyless: tuple[Keyless, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a trust file.

        Raises:
            TrustError: when it is missing or not exactly a trust file of this schema.
        """
        try:
            with path.open("rb") as stream:
                data = stream.read(MAX_TRUST_BYTES + 1)
        except FileNotFoundError as error:
            raise TrustError(f"no trust file {path}", hint="run `assay init`, or give --trust FILE") from error
        if len(data) > MAX_TRUST_BYTES:
            raise TrustError(f"{path}: larger than {MAX_TRUST_BYTES} bytes", hint="is this the right file?")
        try:
            return cls.parse(data.decode("utf-8"))
        except (TrustError, UnicodeDecodeError) as error:
            raise TrustError(f"{path}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a trust file (TrustError as in `load`)."""
        try:
            document = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise TrustError(f"not TOML: {error}") from error
        _check_keys("the trust file", document, _TOP)
        if document["schema"] != TRUST_SCHEMA:
            raise TrustError(f"schema is not {TRUST_SCHEMA!r}")
        days = document["max_age_days"]
        if not isinstance(days, int) or isinstance(days, bool) or days < 1:
            raise TrustError(f"max_age_days must be a number of days from 1: {days!r}")
        entries = document.get("keys", [])
        if not isinstance(entries, list) or not (entries or document.get("authorities") or document.get("keyless")):
            raise TrustError("it trusts no key, so it can verify nothing")
        keys = tuple(_trusted_key(entry) for entry in entries)
        if len({key.public.id for key in keys}) != len(keys):
            raise TrustError("a key is in it twice", hint="give one entry all its roles")
        authorities = _authorities(document.get("authorities", []))
        stampers, required = _stampers(document.get("timestamps"))
        accepted = _policies(document.get("accepted_policies"))
        logged = document.get("log_required", False)
        if not isinstance(logged, bool):
            raise TrustError(f"log_required must be true or false: {logged!r}")
        keyless = _keyless(document.get("keyless", []))
        return cls(keys, timedelta(days=days), accepted, authorities, stampers, required, logged, keyless=keyless)

    def with_certificates(self, offered: Iterable[tuple[bytes, ...]], now: datetime) -> Self:
        """The same, and the keys that its authorities certify among the chains that came with signatures.

        A key that the file lists itself is left as it stands there. Without authorities nothing is looked at.

        Args:
            offered: chains in DER, each with the signer's certificate first.
            now: when it is verified; revocation lists must be current then.
        """
        if not self.authorities:
            return self
        from assay.provenance.certificates import certify  # noqa: PLC0415 - most trust files name no authority

        known = {key.public.id for key in self.keys}
        added: dict[str, TrustedKey] = {}
        refused: list[str] = []
        for chain in dict.fromkeys(one for one in offered if one):
            certified, problems = certify(chain, self.authorities, now)
            refused += [] if certified else problems
            for one in certified:
                if one.public.id not in known:
                    key = TrustedKey(one.public, one.roles, one.not_before, one.not_after, person=one.person)
                    added.setdefault(one.public.id, key)
        return replace(self, keys=(*self.keys, *added.values()), refused=tuple(dict.fromkeys(refused)))

    def signer(self, envelope: Envelope, roles: Iterable[str], at: datetime) -> TrustedKey:
        """The trusted key that signed an envelope as one of `roles` at `at`.

        The key id in the envelope is not read: every key of the file is tried.

        Raises:
            TrustError: when no key of the file signed it, or none that did may have done so.
        """
        return self.signers(envelope, roles, at)[0]

    def signers(self, envelope: Envelope, roles: Iterable[str], at: datetime) -> tuple[TrustedKey, ...]:
        """All trusted keys that signed an envelope as one of `roles` at `at`; never empty.

        Raises:
            TrustError: as in `signer`.
        """
        by_id = {key.public.id: key for key in self.keys}
        try:
            found = dsse.verify(envelope, [key.public for key in self.keys])
        except TrustError as error:
            why = f"; a certificate came with it: {'; '.join(self.refused[:3])}" if self.refused else ""
            raise TrustError(
                f"the signature is of no key in the trust file, or the content was changed{why}"
            ) from error
        refusal = TrustError("unsigned")
        allowed = []
        for public in found:
            try:
                by_id[public.id].check(roles, at)
            except TrustError as error:
                refusal = error
            else:
                allowed.append(by_id[public.id])
        if not allowed:
            raise refusal
        return tuple(allowed)


def trust_text(keys: Mapping[str, PublicKey], *, now: datetime) -> str:
    """A trust file for the keys of one key ring, by role, valid from `now` on for `KEY_LIFETIME`."""
    entries = [trust_entry(key, [role], now=now) for role, key in keys.items()]
    return _HEAD.format(days=MAX_AGE_DAYS) + "".join(entries)


def trust_entry(
    key: PublicKey, roles: Iterable[str], *, now: datetime, until: datetime | None = None, person: str = ""
) -> str:
    """The entry of one key, to be appended to a trust file; valid for `KEY_LIFETIME` unless it ends earlier."""
    listed = '", "'.join(roles)
    validity = {"not_before": format_time(now), "not_after": format_time(until or now + KEY_LIFETIME)}
    entry = _ENTRY.format(id=key.id, role=listed, pem=key.pem, **validity)
    return entry if not person else f"{entry}person = {json.dumps(person)}\n"


def init_trust(keys: Path, trust: Path, passphrase: Callable[[], str | None], *, now: datetime) -> dict[str, PublicKey]:
    """Make a key ring and the trust file that believes it; nothing is overwritten.

    Keys without a trust file (an interrupted run) get theirs. Roles that an older version did not know get a key, and
    an entry at the end of the trust file. A complete pair is refused.

    Args:
        keys: directory of the key ring.
        trust: the trust file.
        passphrase: asked for only when keys are made.
        now: from when on the keys are believed.

    Raises:
        TrustError: when both are there already, or a trust file for other keys is.
    """
    present = keys.exists() and any(keys.iterdir())
    missing = [role for role in ROLES if not (keys / f"{role}.pem").exists()] if present else []
    if trust.exists() and not missing:
        what = f"keys in {keys} and a trust file" if present else "a trust file"
        raise TrustError(f"there is {what} {trust} already", hint="they are never overwritten; move them away")
    if not present:
        keys.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        KeyRing.create(keys, passphrase())
    secret = passphrase() if missing else None
    for role in missing:
        KeyRing.add(keys, role, secret)
    public = read_public_keys(keys)
    if trust.exists():
        known = {key.public.id for key in Trust.load(trust).keys}
        added = [trust_entry(key, [role], now=now) for role, key in public.items() if key.id not in known]
        write_trust(trust, trust.read_text("utf-8") + "".join(added))
    else:
        write_trust(trust, trust_text(public, now=now))
    return public


def write_trust(path: Path, text: str) -> None:
    """Replace a trust file by a text that is one, whole or not at all.

    Raises:
        TrustError: when the text is no trust file.
    """
    Trust.parse(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(text, encoding="utf-8")
    scratch.rename(path)


def _check_keys(what: str, table: Any, known: set[str]) -> None:
    if not isinstance(table, dict):
        raise TrustError(f"{what} must be a table")
    if unknown := set(table) - known:
        raise TrustError(f"{what} has an unknown key {min(unknown)!r}", hint=f"known: {', '.join(sorted(known))}")
    if missing := known - _OPTIONAL - set(table):
        raise TrustError(f"{what} lacks {min(missing)!r}")


def _trusted_key(entry: Any) -> TrustedKey:
    _check_keys("an entry of keys", entry, _KEY)
    public = PublicKey.parse(_text(entry["pem"], "pem"))
    if _text(entry["id"], "id") != public.id:
        raise TrustError(f"id {entry['id'][:16]!r} is not the id of its key, {public.id}")
    roles = entry["roles"]
    if not isinstance(roles, list) or not roles or any(role not in ALL_ROLES for role in roles):
        raise TrustError(f"roles must be a list out of {', '.join(ALL_ROLES)}: {roles!r}")
    if (public.raw is not None) is not set(roles).issubset(NOTE_ROLES):
        raise TrustError(
            f"key {public.id[:12]}: Ed25519 is for the roles {', '.join(NOTE_ROLES)}, ECDSA for the others"
        )
    revoked = entry.get("revoked", False)
    if not isinstance(revoked, bool):
        raise TrustError(f"revoked must be true or false: {revoked!r}")
    not_before, not_after = _time(entry["not_before"]), _time(entry["not_after"])
    if not_before >= not_after:
        raise TrustError(f"key {public.id[:12]} ends before it begins")
    person = _text(entry.get("person", ""), "person")
    return TrustedKey(public, frozenset(roles), not_before, not_after, revoked, person)


def _authorities(value: Any) -> tuple[Authority, ...]:
    if not isinstance(value, list):
        raise TrustError("authorities must be a list of tables")
    if not value:
        return ()
    from assay.provenance.certificates import Authority  # noqa: PLC0415 - as above

    return tuple(Authority.parse(entry) for entry in value)


def _keyless(value: Any) -> tuple[Keyless, ...]:
    if not isinstance(value, list):
        raise TrustError("keyless must be a list of tables")
    if not value:
        return ()
    from assay.provenance.keyless import Keyless  # noqa: PLC0415 - as above

    return tuple(Keyless.parse(entry) for entry in value)


def _stampers(value: Any) -> tuple[tuple[x509.Certificate, ...], bool]:
    if value is None:
        return (), False
    if not isinstance(value, dict) or set(value) - _TIMESTAMPS or "pem" not in value:
        raise TrustError("timestamps must be a table with pem and perhaps required")
    required = value.get("required", False)
    if not isinstance(required, bool):
        raise TrustError(f"timestamps.required must be true or false: {required!r}")
    from assay.provenance.certificates import read_certificates  # noqa: PLC0415 - as above

    return tuple(read_certificates(value["pem"])), required


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise TrustError(f"{key} must be text")
    return value


def _time(value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TrustError(f"not a time with its zone: {value!s}", hint="for example 2026-01-31T12:00:00Z")
    return value.astimezone(UTC)


def _policies(value: Any) -> frozenset[Digest] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise TrustError("accepted_policies must be a list of digests, and not an empty one")
    try:
        return frozenset(Digest.parse(_text(one, "a policy digest")) for one in value)
    except UsageError as error:
        raise TrustError(f"accepted_policies: {error}") from error
