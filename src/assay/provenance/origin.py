"""What came signed with a model: a publisher's OpenSSF model signature, and build provenance of one's own CI.

Nothing that comes with the model is believed by itself: a signature counts when a key of the verifier's trust file made
it, in the role *publisher* or *builder*.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.digest import Digest
from assay.core.errors import TrustError
from assay.core.snapshot import Snapshot
from assay.core.statement import Envelope
from assay.provenance.bundle import MEDIA_TYPE, from_bundle, material_of
from assay.provenance.keyless import is_keyless, keyless_signer
from assay.provenance.oms import OMS_TYPE, check_oms, oms_root
from assay.provenance.statements import IMPORT_BUILD_TYPE, PROVENANCE_TYPE, WEIGHT_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from assay.core.statement import Statement
    from assay.provenance.trust import Trust

PUBLISHER, BUILDER = "publisher", "builder"
SUFFIXES = ("model.sig", ".sig", ".sigstore.json", ".sigstore", ".dsse.json", ".intoto.json", ".intoto.jsonl")
MAX_DOCUMENT_BYTES = 16 << 20
MAX_DOCUMENTS = 64


@dataclass(frozen=True, slots=True)
class Shown:
    """One signed document that came with a model.

    Attributes:
        path: where it lies.
        kind: `signature`, `provenance`, or `other` for statements that say nothing about origin.
        key: id of the trusted key that made it; empty when none did.
        problem: why it proves nothing, empty when it holds.
        broken: a trusted key made it, and it is about other files than these.
        facts: builder, commit, pipeline digest, …
    """

    path: str
    kind: str
    key: str = ""
    problem: str = ""
    broken: bool = False
    facts: Mapping[str, Any] | None = None


def is_document(path: str) -> bool:
    """Whether a file may hold a signature or provenance, by its name; its content decides."""
    return path.lower().endswith(SUFFIXES)


def read_envelopes(data: bytes) -> list[Envelope]:
    """The DSSE envelopes in a document: a Sigstore bundle, a bare envelope, or one of them on each line.

    Raises:
        TrustError: when it holds none.
    """
    return [envelope_of(value) for value in read_values(data)]


def read_values(data: bytes) -> list[Any]:
    """The JSON values of a document: one, or one on each line.

    Raises:
        TrustError: when it holds none.
    """
    try:
        text = data.decode("utf-8")
        try:
            values = [json.loads(text)]
        except ValueError:
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise TrustError("not JSON") from error
    if not values:
        raise TrustError("empty")
    return values


def read_chains(data: bytes) -> list[tuple[bytes, ...]]:
    """The certificates that came with each signature of a document; none where it can't be read."""
    try:
        return [material_of(value).certificates for value in read_values(data)]
    except TrustError:
        return []


def check_documents(snapshot: Snapshot, documents: Mapping[str, bytes], trust: Trust, now: datetime) -> list[Shown]:
    """Verify every signed document against the trust file and the files of the snapshot.

    A document that parses as an envelope is left out of what must be covered: a signature can't be over itself.

    Args:
        snapshot: with the documents among its files.
        documents: content by path.
        trust: the verifier's own.
        now: a model signature has no time of its own: its key must be valid now.
    """
    parsed: dict[str, list[tuple[Any, Envelope]]] = {}
    shown: list[Shown] = []
    trust = trust.with_certificates((chain for data in documents.values() for chain in read_chains(data)), now)
    for path, data in sorted(documents.items()):
        try:
            parsed[path] = [(value, envelope_of(value)) for value in read_values(data)]
        except TrustError as error:
            shown.append(Shown(path, "other", problem=str(error)))
    rest = [entry for entry in snapshot.files if entry.path not in parsed]
    if not rest:
        return [*shown, *(Shown(path, "other", problem="there is nothing beside it to be about") for path in parsed)]
    model = Snapshot.of(rest, snapshot.origin)
    for path, found in parsed.items():
        shown += [_check(path, document, model, trust, now) for document in found]
    return shown


def envelope_of(value: Any) -> Envelope:
    """The DSSE envelope in a Sigstore bundle of any version, or the bare one that it is (TrustError for neither)."""
    if isinstance(value, dict) and str(value.get("mediaType", "")).startswith("application/vnd.dev.sigstore.bundle"):
        return from_bundle(value | {"mediaType": MEDIA_TYPE})
    return Envelope.from_json(value)


def signer_of(value: Any, envelope: Envelope, trust: Trust, roles: tuple[str, ...], at: datetime) -> str:
    """Who signed a document as one of `roles`: the id of a key at `at`, or a keyless identity at the log's time.

    Args:
        value: the document, parsed.
        envelope: that it holds.
        trust: the verifier's own.
        roles: that would do.
        at: when a key must be valid.

    Raises:
        TrustError: nobody of the trust file did.
    """
    try:
        return trust.signer(envelope, roles, at).public.id
    except TrustError:
        if not (trust.keyless and is_keyless(value)):
            raise
    return keyless_signer(value, trust.keyless, roles).name


def _check(path: str, document: tuple[Any, Envelope], model: Snapshot, trust: Trust, now: datetime) -> Shown:
    value, envelope = document
    try:
        statement = envelope.statement()
    except TrustError as error:
        return Shown(path, "other", problem=str(error))
    if statement.predicate_type == OMS_TYPE:
        kind, role = "signature", PUBLISHER
    elif statement.predicate_type == PROVENANCE_TYPE:
        kind, role = "provenance", BUILDER
    else:
        return Shown(path, "other", problem=f"says nothing about origin: {statement.predicate_type[:100]}")
    try:
        key = signer_of(value, envelope, trust, (role,), now)
    except TrustError as error:
        return Shown(path, kind, problem=str(error))
    try:
        if kind == "signature":
            check_oms(statement, model)
            return Shown(path, kind, key, facts={"root": oms_root(model).hex})
        return Shown(path, kind, key, facts=_provenance(statement, model))
    except TrustError as error:
        return Shown(path, kind, key, problem=str(error), broken=True)


def _provenance(statement: Statement, model: Snapshot) -> dict[str, Any]:
    """Builder, commit and pipeline of SLSA provenance v1, when it is about this model.

    Raises:
        TrustError: when a weight file is not among its subjects, or it does not say what built it.
    """
    named = {subject.digest for subject in statement.subjects}
    if not named & {model.id, oms_root(model)}:
        weights = [e for e in model.files if e.path.lower().endswith(WEIGHT_SUFFIXES)] or list(model.files)
        if missing := [entry.path for entry in weights if entry.digest not in named]:
            raise TrustError(f"the build provenance is not about {missing[0]!r}")
    try:
        definition, details = statement.predicate["buildDefinition"], statement.predicate["runDetails"]
        kind, builder = str(definition["buildType"]), str(details["builder"]["id"])
        sources = [one for one in definition.get("resolvedDependencies", []) if isinstance(one, dict)]
        digests = [(str(one.get("uri", "")), one.get("digest") or {}) for one in sources]
        invocation = str((details.get("metadata") or {}).get("invocationId", ""))
        parameters = definition.get("externalParameters")
    except (KeyError, TypeError, AttributeError) as error:
        raise TrustError("broken SLSA provenance") from error
    if kind == IMPORT_BUILD_TYPE:
        raise TrustError("an import is no build")
    commits = [(uri, str(value["gitCommit"])) for uri, value in digests if "gitCommit" in value]
    pipeline = [(uri, str(value["sha256"])) for uri, value in digests if "sha256" in value]
    return {
        "builder": builder,
        "build_type": kind,
        "commit": commits[0][1] if commits else "",
        "source": commits[0][0] if commits else "",
        "pipeline": [{"uri": uri, "sha256": value} for uri, value in pipeline],
        "invocation": invocation,
        "parameters": Digest.of(json.dumps(parameters, sort_keys=True).encode()).hex,
    }
