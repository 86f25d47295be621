"""Sigstore keyless: a key that lives for minutes, certified for an identity by a Fulcio and noted in a Rekor log.

Believed is what the verifier's own trust file says: whose root (certificate authority, CT log, transparency log,
perhaps time-stamp authority: Sigstore's `trusted_root.json`), which identity, vouched for by which issuer. Verification
is offline: chain, SCT, inclusion proof and signed checkpoint come with the bundle, and sigstore-python (the extra
`keyless`) checks them. The roots of the public instance are never fetched.

References: https://docs.sigstore.dev/about/bundle/;
https://github.com/sigstore/protobuf-specs (TrustedRoot, ClientTrustConfig);
https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from assay.core.errors import EnvironmentFault, TrustError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.core.digest import Digest
    from assay.core.statement import Statement

KEYLESS_ROLES: Final = ("publisher", "builder")  # who signs outside; our own roles have keys
_KEYS: Final = {"roles", "identity", "issuer", "root"}
_EXTRA: Final = "install assay-models[keyless]"


@dataclass(frozen=True)
class Keyless:
    """An identity of the trust file.

    Attributes:
        roles: what it may sign.
        identity: as it stands in the certificate: an address, or the URI of a workflow; compared as a whole.
        issuer: URL of the identity provider that vouched for it.
        root: Sigstore's trusted root, JSON.
    """

    roles: frozenset[str]
    identity: str
    issuer: str
    root: str

    @classmethod
    def parse(cls, entry: Any) -> Self:
        """Read an entry of `keyless`.

        Raises:
            TrustError: for anything that is not exactly one.
        """
        if not isinstance(entry, dict) or set(entry) != _KEYS:
            raise TrustError("an entry of keyless has roles, identity, issuer and root")
        roles, texts = entry["roles"], [entry[key] for key in ("identity", "issuer", "root")]
        if not isinstance(roles, list) or not roles or any(role not in KEYLESS_ROLES for role in roles):
            raise TrustError(f"roles of an identity must be a list out of {', '.join(KEYLESS_ROLES)}: {roles!r}")
        if not all(isinstance(text, str) and text for text in texts):
            raise TrustError("identity, issuer and root of an identity must be texts, and not empty")
        try:
            root = json.loads(texts[2])
            kind = str(root["mediaType"])
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise TrustError("root must be the text of a trusted_root.json") from error
        if not kind.startswith("application/vnd.dev.sigstore.trustedroot"):
            raise TrustError(f"root must be the text of a trusted_root.json, not {kind[:100]!r}")
        return cls(frozenset(roles), *texts)

    @property
    def name(self) -> str:
        """How evidence names the signer."""
        return f"keyless:{self.identity}"


def is_keyless(bundle: Any) -> bool:
    """Whether a bundle came with a certificate and an entry of a transparency log."""
    held = bundle.get("verificationMaterial") if isinstance(bundle, dict) else None
    return isinstance(held, dict) and bool(held.get("tlogEntries")) and "publicKey" not in held


def keyless_signer(
    bundle: Any, identities: Iterable[Keyless], roles: Iterable[str], digest: Digest | None = None
) -> Keyless:
    """Which identity of the trust file signed a bundle as one of `roles`.

    Args:
        bundle: parsed JSON, of any version that Sigstore has.
        identities: of the trust file.
        roles: that would do.
        digest: of the artifact, for a bundle that holds a bare signature; a DSSE envelope is verified as it stands.

    Raises:
        TrustError: when none of them did; with the reason of the last that was tried.
        EnvironmentFault: when sigstore-python is not installed.
    """
    wanted, problem = set(roles), "no identity of the trust file may sign this"
    for identity in identities:
        if not identity.roles & wanted:
            continue
        try:
            _verify(bundle, identity, digest)
        except TrustError as error:
            problem = str(error)
        else:
            return identity
    raise TrustError(problem)


def sign_keyless(statement: Statement, config: str, token: str) -> dict[str, Any]:
    """Sign a statement with a key of a moment; asks the Fulcio and the Rekor that `config` names.

    Args:
        statement: what is signed.
        config: Sigstore's client trust config (where to ask, and whom to believe), JSON.
        token: OpenID Connect identity token whose audience is `sigstore`.

    Returns:
        The bundle.

    Raises:
        UsageError: when configuration or token can't be used.
        EnvironmentFault: when the services refuse or can't be reached, or sigstore-python is not installed.
    """
    _installed()
    import requests  # noqa: PLC0415 - comes with the extra
    from sigstore import dsse, errors, models, oidc, sign  # noqa: PLC0415 - an extra, and slow to import
    from sigstore._internal.fulcio.client import FulcioClientError  # noqa: PLC0415 - raised, and not exported
    from sigstore._internal.rekor import RekorClientError  # noqa: PLC0415 - the same

    try:
        settings = models.ClientTrustConfig.from_json(config)
        context, identity = sign.SigningContext.from_trust_config(settings), oidc.IdentityToken(token)
    except (errors.Error, oidc.IdentityError, ValueError) as error:
        raise UsageError(f"no keyless signature: {_short(error)}", hint="check --keyless and the token") from error
    try:
        with context.signer(identity) as signer:
            bundle = signer.sign_dsse(dsse.Statement(statement.payload()))
    except (errors.Error, FulcioClientError, RekorClientError, requests.RequestException, ValueError) as error:
        hint = "check the services that --keyless names"
        raise EnvironmentFault(f"no keyless signature: {_short(error)}", hint=hint) from error
    found: dict[str, Any] = json.loads(bundle.to_json())
    return found


def _verify(bundle: Any, identity: Keyless, digest: Digest | None) -> None:
    _installed()
    from cryptography import x509  # noqa: PLC0415 - with sigstore
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from sigstore import errors, models  # noqa: PLC0415 - an extra, and slow to import
    from sigstore.hashes import Hashed  # noqa: PLC0415
    from sigstore.verify import Verifier, policy  # noqa: PLC0415
    from sigstore_models.common.v1 import HashAlgorithm  # noqa: PLC0415
    from sigstore_models.trustroot.v1 import TrustedRoot  # noqa: PLC0415

    try:
        verifier = Verifier(trusted_root=models.TrustedRoot(TrustedRoot.from_json(identity.root)))
    except (errors.Error, ValueError) as error:
        raise TrustError(f"the root of {identity.name} can't be used: {_short(error)}") from error
    who = policy.Identity(identity=identity.identity, issuer=identity.issuer)
    try:
        parsed = models.Bundle.from_json(json.dumps(bundle))
        if "dsseEnvelope" in bundle:
            verifier.verify_dsse(parsed, who)
        elif digest is not None:
            hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(digest.hex))
            verifier.verify_artifact(hashed, parsed, who)
        else:
            raise TrustError("the bundle holds no statement")
    except (errors.Error, ValueError, x509.ExtensionNotFound, UnsupportedAlgorithm, LookupError, TypeError,
            AttributeError) as error:  # fmt: skip
        raise TrustError(f"not signed by {identity.identity}: {_short(error)}") from error


def _installed() -> None:
    from importlib.util import find_spec  # noqa: PLC0415

    if find_spec("sigstore") is None:
        raise EnvironmentFault("sigstore is not installed", hint=_EXTRA)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
