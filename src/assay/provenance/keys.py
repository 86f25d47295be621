"""Keys: one for each role, made by `assay init`, kept in files that only their owner reads.

Statements are signed with ECDSA on P-256, what every tool around them verifies; checkpoints of the log with Ed25519, as
C2SP signed notes are.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from assay.core.errors import EnvironmentFault, TrustError
from assay.provenance import dsse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.core.statement import Envelope, Statement

# Roles of the machines: `assay init` makes a key for each.
ROLES = ("importer", "scanner", "evaluator", "approver", "registry", "admission", "log")
# Roles that people and outsiders hold on their own side: decisions, lifts of revocations, publishers, build systems.
OUTSIDE_ROLES = ("reviewer", "lift", "publisher", "builder", "witness")
ALL_ROLES = (*ROLES, *OUTSIDE_ROLES)
# The curves of the OpenSSF model signature, each with its hash (sigstore protobuf specs, PublicKeyDetails).
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
NOTE_ROLES = ("log", "witness")  # they sign notes, with Ed25519
_OTHERS = 0o007  # permission bits of everybody else


@dataclass(frozen=True)
class PublicKey:
    """A public key, known by its bytes.

    Attributes:
        pem: SubjectPublicKeyInfo in PEM, normalised.
        certificates: of our own key, in DER, its own first: they go out with what it signs. Never looked at to verify.
    """

    pem: str
    certificates: tuple[bytes, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def parse(cls, pem: str | bytes) -> Self:
        """Read a PEM public key.

        Raises:
            TrustError: when it is none, or not on the curve P-256, P-384 or P-521.
        """
        data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
        try:
            key = serialization.load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise TrustError("not a public key in PEM form", hint="expected -----BEGIN PUBLIC KEY-----") from error
        return cls.of(key)

    @classmethod
    def of(cls, key: object) -> Self:
        """Wrap a key object of `cryptography` (TrustError when its kind or curve is not supported)."""
        if isinstance(key, ec.EllipticCurvePublicKey):
            known = key.curve.name in _HASHES
        else:
            known = isinstance(key, ed25519.Ed25519PublicKey)
        if not known:
            raise TrustError("not an ECDSA key on P-256, P-384 or P-521, and not an Ed25519 key")
        assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)  # noqa: S101 - just looked at
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return cls(key.public_bytes(serialization.Encoding.PEM, form).decode("ascii"))

    @cached_property
    def id(self) -> str:
        """SHA-256 of the DER SubjectPublicKeyInfo, in hex."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return hashlib.sha256(self._key.public_bytes(serialization.Encoding.DER, form)).hexdigest()

    @cached_property
    def raw(self) -> bytes | None:
        """The 32 bytes of an Ed25519 key; None for a key of another kind."""
        return self._key.public_bytes_raw() if isinstance(self._key, ed25519.Ed25519PublicKey) else None

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` over `message` was made by this key (ECDSA: ASN.1 DER; Ed25519: 64 bytes)."""
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                self._key.verify(signature, message, ec.ECDSA(_HASHES[self._key.curve.name]))
        except InvalidSignature:
            return False
        return True

    @cached_property
    def _key(self) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
        key = serialization.load_pem_public_key(self.pem.encode("ascii"))
        assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)  # noqa: S101 - `of` made sure
        return key


PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def new_private(role: str) -> PrivateKey:
    """A new key of the kind that the role signs with."""
    return ed25519.Ed25519PrivateKey.generate() if role in NOTE_ROLES else ec.generate_private_key(ec.SECP256R1())


class SigningKey:
    """A private key in memory. Never printed, never serialised again.

    Attributes:
        role: what it may sign.
        public: its public half.
    """

    def __init__(self, role: str, private: PrivateKey) -> None:
        self.role = role
        self.public = PublicKey.of(private.public_key())
        self._private = private

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, deterministic (RFC 6979), ASN.1 DER; or Ed25519.

        Raises:
            EnvironmentFault: when the installed OpenSSL is older than 3.2.
        """
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(message)
        try:
            scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        except UnsupportedAlgorithm as error:
            msg = "this build of cryptography can't sign deterministically"
            raise EnvironmentFault(
                msg, hint="install the wheel of cryptography, it brings OpenSSL 3.2 or later"
            ) from error
        return self._private.sign(message, scheme)


class KeyRing:
    """The private keys of some roles.

    Attributes:
        tsa_url: a time-stamp authority that each bundle gets a stamp from; empty for none.
    """

    def __init__(self, keys: Iterable[SigningKey]) -> None:
        self._keys = {key.role: key for key in keys}
        self.tsa_url = ""

    @classmethod
    def create(cls, directory: Path, passphrase: str | None = None) -> Self:
        """Make a key for every role in `directory`: `<role>.pem` (PKCS#8, mode 0600) and `<role>.pub`.

        All or nothing: the directory appears under its name when it is complete.

        Args:
            directory: must not exist, or be empty.
            passphrase: encrypts the private keys; None or empty leaves them readable to whoever can read the file.

        Raises:
            TrustError: when the directory holds something already.
        """
        directory.parent.mkdir(parents=True, exist_ok=True)
        if directory.exists() and any(directory.iterdir()):
            raise TrustError(
                f"there are keys in {directory} already", hint="they are never overwritten; move them away"
            )
        ring = cls(SigningKey(role, new_private(role)) for role in ROLES)
        with tempfile.TemporaryDirectory(prefix=".keys-", dir=directory.parent, ignore_cleanup_errors=True) as scratch:
            complete = Path(scratch) / "keys"
            complete.mkdir(mode=0o700)
            for key in ring._keys.values():
                _write(complete / f"{key.role}.pem", _private_pem(key, passphrase), 0o600)
                _write(complete / f"{key.role}.pub", key.public.pem.encode("ascii"), 0o644)
            complete.rename(directory)
        return ring

    @staticmethod
    def add(directory: Path, role: str, passphrase: str | None = None) -> PublicKey:
        """Make one more key, `<role>.pem` and `<role>.pub`, in a directory that is there.

        Raises:
            TrustError: when there is a private key of that name already.
        """
        target = directory / f"{role}.pem"
        if target.exists():
            raise TrustError(f"there is a key {target} already", hint="keys are never overwritten; move it away")
        key = SigningKey(role, new_private(role))
        with tempfile.TemporaryDirectory(prefix=".key-", dir=directory) as scratch:
            made = Path(scratch)
            _write(made / "pem", _private_pem(key, passphrase), 0o600)
            _write(made / "pub", key.public.pem.encode("ascii"), 0o644)
            (made / "pub").replace(
                directory / f"{role}.pub"
            )  # the private key last: without it the next call starts over
            (made / "pem").rename(target)
        return key.public

    @classmethod
    def load(cls, directory: Path, passphrase: str | None = None, *, roles: Iterable[str] = ROLES) -> Self:
        """Read the keys of `roles`; ask for no more than is needed.

        Raises:
            TrustError: when a key is missing, broken, open to everybody, or the passphrase is wrong.
        """
        roles = tuple(roles)
        if any((directory / f"{role}.uri").exists() for role in roles):
            from assay.provenance.backends import load_keys  # noqa: PLC0415 - it needs what is defined here

            return cls(load_keys(directory, passphrase, roles))
        return cls(KeyRing.read(directory / f"{role}.pem", role, passphrase) for role in roles)

    @staticmethod
    def read(path: Path, role: str, passphrase: str | None = None) -> SigningKey:
        """Read one private key from a file, for a role, with its certificates (TrustError as in `load`).

        Certificates lie beside it with the ending `.crt`: PEM, the key's own first, then those that lead to the CA.
        """
        key = SigningKey(role, _read_private(path, role, passphrase))
        key.public = with_certificates(key.public, path.with_suffix(".crt"))
        return key

    @staticmethod
    def encrypted(directory: Path) -> bool:
        """Whether the keys in `directory` need a passphrase (False when there are none)."""
        path = directory / f"{ROLES[0]}.pem"
        return path.exists() and _is_encrypted(path.read_bytes())

    def key(self, role: str) -> SigningKey:
        """The key of a role (TrustError when the ring does not hold it)."""
        if role not in self._keys:
            raise TrustError(
                f"no key for the role {role!r}", hint=f"this ring holds: {', '.join(self._keys) or 'none'}"
            )
        return self._keys[role]

    def held(self, role: str) -> SigningKey | None:
        """The key of a role, if the ring holds it."""
        return self._keys.get(role)

    def public(self, role: str) -> PublicKey:
        """The public key of a role."""
        return self.key(role).public

    def sign(self, role: str, statement: Statement) -> Envelope:
        """Sign a statement with the key of `role`."""
        return dsse.sign(statement, self.key(role))

    def bundle(self, role: str, envelope: Envelope) -> dict[str, Any]:
        """The bundle of what `role` signed, time-stamped where an authority is set (EnvironmentFault without it)."""
        from assay.provenance.bundle import to_bundle  # noqa: PLC0415 - it needs what is defined here
        from assay.provenance.timestamps import stamp, with_stamp  # noqa: PLC0415

        made = to_bundle(envelope, self.public(role))
        return with_stamp(made, stamp(envelope, self.tsa_url)) if self.tsa_url else made


def read_public_keys(directory: Path) -> dict[str, PublicKey]:
    """The public keys that `KeyRing.create` wrote, by role; no passphrase needed (TrustError when one is missing)."""
    try:
        return {role: PublicKey.parse((directory / f"{role}.pub").read_bytes()) for role in ROLES}
    except FileNotFoundError as error:
        raise TrustError(f"no public key {error.filename}", hint="run `assay init`") from error


def with_certificates(public: PublicKey, path: Path) -> PublicKey:
    """A key with the certificates of a PEM file, where there is one.

    Raises:
        TrustError: when the first of them is not of this key.
    """
    if not path.exists():
        return public
    from cryptography import x509  # noqa: PLC0415 - a key without certificates does not pay for it

    try:
        held = x509.load_pem_x509_certificates(path.read_bytes())
        first = PublicKey.of(held[0].public_key())
    except ValueError as error:
        raise TrustError(f"{path} is not a certificate in PEM form", hint="the key's own comes first") from error
    if first != public:
        raise TrustError(f"{path} is the certificate of another key", hint="the key's own comes first")
    return replace(public, certificates=tuple(one.public_bytes(serialization.Encoding.DER) for one in held))


def _private_pem(key: SigningKey, passphrase: str | None) -> bytes:
    scheme: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        scheme = serialization.BestAvailableEncryption(passphrase.encode("utf-8"))
    return key._private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, scheme)  # noqa: SLF001 - the one place that writes it


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _is_encrypted(pem: bytes) -> bool:
    return b"BEGIN ENCRYPTED PRIVATE KEY" in pem


def _read_private(path: Path, role: str, passphrase: str | None) -> PrivateKey:
    try:
        pem = path.read_bytes()
    except FileNotFoundError as error:
        hint = "run `assay init` for the registry's own, `assay key create` for a person's"
        raise TrustError(f"no key {path}", hint=hint) from error
    encrypted = _is_encrypted(pem)
    if not encrypted and path.stat().st_mode & _OTHERS:
        raise TrustError(f"everybody can read or change the private key {path}", hint=f"chmod 600 {path}")
    if encrypted and not passphrase:
        raise TrustError(f"the key {path} needs its passphrase", hint="set ASSAY_KEY_PASSPHRASE")
    secret = passphrase.encode("utf-8") if passphrase and encrypted else None
    try:
        key = serialization.load_pem_private_key(pem, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        what = "wrong passphrase for" if encrypted else "not a private key:"
        raise TrustError(f"{what} {path}", hint="check ASSAY_KEY_PASSPHRASE" if encrypted else "restore it") from error
    if isinstance(key, ed25519.Ed25519PrivateKey) and role in NOTE_ROLES:
        return key
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1" or role in NOTE_ROLES:
        kind = "an Ed25519 key" if role in NOTE_ROLES else "an ECDSA key on P-256"
        raise TrustError(f"{path} is not {kind}", hint="keys are made by `assay init`")
    return key
