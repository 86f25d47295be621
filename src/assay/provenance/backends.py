"""Where private keys live, by URI scheme: `file:` and `pkcs11:` (RFC 7512). A key in a token never leaves it.

A key ring holds `<role>.uri`, one line, in place of `<role>.pem`. The PIN is never part of the URI: it is taken from
`ASSAY_PKCS11_PIN`, or from the file that the URI's `pin-source` names.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from assay.core.errors import EnvironmentFault, TrustError, UsageError
from assay.provenance.keys import KeyRing, PublicKey, SigningKey, with_certificates

if TYPE_CHECKING:
    from collections.abc import Iterable

PIN = "ASSAY_PKCS11_PIN"
MODULE = "ASSAY_PKCS11_MODULE"
SCHEMES = ("file", "pkcs11")


class TokenKey(SigningKey):
    """An ECDSA P-256 key in a PKCS#11 token.

    A token draws its own nonce: signing twice gives two envelopes that both hold. A step that is repeated after a crash
    then leaves a second chain beside the first.
    """

    def __init__(self, role: str, public: PublicKey, private: Any) -> None:
        self.role = role
        self.public = public
        self._token_key = private

    def sign(self, message: bytes) -> bytes:
        """ECDSA over SHA-256 by the token (CKM_ECDSA), ASN.1 DER.

        Raises:
            EnvironmentFault: when the token fails or was taken out.
        """
        import pkcs11  # noqa: PLC0415

        try:
            raw = self._token_key.sign(hashlib.sha256(message).digest(), mechanism=pkcs11.Mechanism.ECDSA)
        except pkcs11.PKCS11Error as error:
            raise EnvironmentFault(f"the token can't sign: {error!r}", hint="check the token and its PIN") from error
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def open_key(where: str, role: str, passphrase: str | None = None) -> SigningKey:
    """A key by URI, or by the path of a PEM file.

    Raises:
        UsageError: for a scheme that is not known.
        TrustError: when there is no such key, or it is of another kind.
        EnvironmentFault: when the token can't be used.
    """
    scheme = where.partition(":")[0] if ":" in where else "file"
    if scheme == "pkcs11":
        return _token(where, role)
    if scheme == "file" or where.startswith(("/", ".")):
        path = urlsplit(where).path if where.startswith("file:") else where
        return KeyRing.read(Path(unquote(path)), role, passphrase)
    raise UsageError(f"no key back end for {scheme}:", hint=f"known: {', '.join(SCHEMES)}")


def load_keys(directory: Path, passphrase: str | None, roles: Iterable[str]) -> list[SigningKey]:
    """The keys of some roles: from a token where `<role>.uri` says so, else from `<role>.pem`.

    Raises:
        TrustError: as in `KeyRing.load`.
    """
    keys: list[SigningKey] = []
    for role in roles:
        uri = directory / f"{role}.uri"
        if uri.exists():
            key = open_key(uri.read_text("utf-8").strip(), role, passphrase)
            key.public = with_certificates(key.public, directory / f"{role}.crt")
            keys.append(key)
        else:
            keys.append(KeyRing.read(directory / f"{role}.pem", role, passphrase))
    return keys


def _token(uri: str, role: str) -> SigningKey:
    path, _, query = uri.removeprefix("pkcs11:").partition("?")
    wanted = {key: unquote(value) for key, _, value in (part.partition("=") for part in path.split(";") if part)}
    options = dict(parse_qsl(query))
    module = options.get("module-path") or os.environ.get(MODULE)
    if "token" not in wanted or "object" not in wanted or not module:
        hint = "pkcs11:token=NAME;object=LABEL?module-path=/path/of/module.so"
        raise UsageError(f"not the URI of a key in a token: {uri[:200]}", hint=hint)
    try:
        import pkcs11  # noqa: PLC0415
        from pkcs11.util.ec import encode_ec_public_key  # noqa: PLC0415
    except ImportError as error:
        raise EnvironmentFault("python-pkcs11 is not installed", hint="install assay-models[pkcs11]") from error
    try:
        session = _session(module, wanted["token"], _pin(options))
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=wanted["object"])
        held = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=wanted["object"])
        if not isinstance(held, pkcs11.PublicKey) or held.key_type is not pkcs11.KeyType.EC:
            raise TrustError(f"the key in the token is no ECDSA key: {uri[:200]}")
        public = PublicKey.of(load_der_public_key(encode_ec_public_key(held)))
    except (pkcs11.NoSuchToken, pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned) as error:
        raise TrustError(f"no such key, or several: {uri[:200]}", hint="check token and object") from error
    except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
        raise EnvironmentFault(f"the token can't be used: {error!r}", hint=f"check the module and {PIN}") from error
    except (KeyError, AttributeError, ValueError, TypeError) as error:
        raise TrustError(f"the key in the token is no ECDSA key: {uri[:200]}") from error
    return TokenKey(role, public, private)


@cache
def _session(module: str, token: str, pin: str) -> Any:
    """One session for each token: a process logs in to a token once, for all its roles."""
    import pkcs11  # noqa: PLC0415

    return pkcs11.lib(module).get_token(token_label=token).open(user_pin=pin)


def _pin(options: dict[str, str]) -> str:
    source = options.get("pin-source", "")
    try:
        pin = Path(source.removeprefix("file:")).read_text("utf-8").strip() if source else os.environ.get(PIN, "")
    except OSError as error:
        raise EnvironmentFault(f"the PIN can't be read: {error.strerror}", hint=f"check {source}") from error
    if not pin:
        raise TrustError("the token needs its PIN", hint=f"set {PIN}, or pin-source in the URI")
    return pin
