"""What a verification is given: the manifest and the signed statements, from a directory or from a registry's answer.

An exported directory (`assay attest export`) holds `manifest.json`, `model.sig` (the OpenSSF model signature), for
every other statement `NN-<kind>.dsse.json` and the same envelope as `NN-<kind>.sigstore.json`, for those in the log
`proofs/NN-<kind>.json`, and `keys/*.pub` for other tools. The keys are never read here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from assay.core.canonical import canonical_json
from assay.core.errors import ContentError, TrustError, UsageError
from assay.core.limits import MIB
from assay.core.snapshot import MANIFEST_SCHEMA
from assay.core.statement import Envelope
from assay.provenance.bundle import Material, from_bundle, material_of
from assay.provenance.oms import STATEMENTS_DIRECTORY
from assay.store.tree import DirectoryFiles, list_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MANIFEST_FILE = "manifest.json"
MODEL_SIGNATURE_FILE = "model.sig"
ENVIRONMENT_FILE = "environment.cdx.json"  # what the evaluation ran in; the statement *evaluated* names its SHA-256
MAX_STATEMENTS = 10_000  # of one model; vetting it again adds four
MAX_FILE_BYTES = 64 * MIB  # the manifest of 200,000 files is 30 MiB
MAX_BYTES = 512 * MIB  # of all statements together: they are held in memory

_STATEMENT_FILE = re.compile(r"(?P<stem>(?:[0-9]+-)?(?P<kind>[a-z]+))\.(?P<form>dsse|sigstore)\.json")
_KEY_FILE = re.compile(r"keys/[a-z]+\.pub")
_PROOF_FILE = re.compile(r"proofs/(?:[0-9]+-)?[a-z]+\.json")


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed statement as it was found; nothing about it is verified.

    Attributes:
        kind: what it is said to be (`fetched`, `oms`, …), by its file name or by the registry.
        label: what to call it in a message.
        envelope: the DSSE envelope.
        material: certificates and time-stamps that came with it.
    """

    kind: str
    label: str
    envelope: Envelope
    material: Material = Material()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class Statements:
    """Everything that vouches for a model, unverified.

    Attributes:
        manifest: bytes of the manifest.
        signed: all statements, the model signature (`oms`) among them.
        proofs: that the registry's log holds them, as files hold them (`assay.log-proof/v1`).
    """

    manifest: bytes
    signed: tuple[Signed, ...]
    proofs: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read an exported directory.

        Raises:
            TrustError: when it is missing, holds no manifest, a file that can't be read as what its name says, or two
                forms of one statement that differ.
        """
        contents = _files(directory)
        if MANIFEST_FILE not in contents:
            raise TrustError(f"no {MANIFEST_FILE} in {directory}", hint="export it again with `assay attest export`")
        found: dict[str, Signed] = {}
        for path in sorted(contents):
            signed = _signed(path, contents[path])
            if signed is None:
                continue
            earlier = found.setdefault(signed.label, signed)
            if earlier.envelope.digest != signed.envelope.digest:
                raise TrustError(f"the two forms of {signed.label} hold different envelopes")
            if signed.material != Material():
                found[signed.label] = signed
        proofs = tuple(contents[path] for path in sorted(contents) if _PROOF_FILE.fullmatch(path))
        return cls(contents[MANIFEST_FILE], tuple(found.values()), proofs)

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Read the answer of a registry: `{"manifest", "statements": [{"kind", "envelope", "bundle"}], "proofs": […]}`.

        Raises:
            TrustError: when it is something else.
        """
        try:
            manifest = canonical_json(document["manifest"])
            entries, proven = list(document["statements"]), list(document.get("proofs") or ())
            if document["manifest"]["schema"] != MANIFEST_SCHEMA or max(len(entries), len(proven)) > MAX_STATEMENTS:
                raise TrustError("the registry's answer is not a manifest with its statements")
            signed = tuple(
                Signed(
                    str(one["kind"]),
                    f"{n:02}-{one['kind']}",
                    Envelope.from_json(one["envelope"]),
                    material_of(one.get("bundle")),
                )
                for n, one in enumerate(entries, 1)
            )
        except (KeyError, TypeError, AttributeError, UsageError) as error:
            raise TrustError("the registry's answer is not a manifest with its statements") from error
        return cls(manifest, signed, tuple(json.dumps(one).encode() for one in proven))


def is_statement_file(path: str) -> bool:
    """Whether a path in a statements directory has a name that `assay attest export` writes."""
    forms = (_STATEMENT_FILE, _KEY_FILE, _PROOF_FILE)
    return path in {MANIFEST_FILE, MODEL_SIGNATURE_FILE, ENVIRONMENT_FILE} or any(
        form.fullmatch(path) for form in forms
    )


def export_files(
    manifest: bytes,
    statements: Iterable[tuple[str, Envelope, dict[str, Any]]],
    proofs: Mapping[str, bytes] = MappingProxyType({}),
) -> dict[str, bytes]:
    """The files of an exported directory, keys aside, by path.

    Args:
        manifest: canonical bytes of the manifest.
        statements: (kind, envelope, bundle), oldest first; the last `oms` becomes `model.sig`.
        proofs: that the log holds a statement, by its digest.
    """
    files = {MANIFEST_FILE: manifest}
    number = 0
    for kind, envelope, bundle in statements:
        text = (json.dumps(bundle, indent=1) + "\n").encode()
        if kind == "oms":
            files[MODEL_SIGNATURE_FILE] = text
            if envelope.digest.hex in proofs:
                files["proofs/oms.json"] = proofs[envelope.digest.hex]
            continue
        number += 1
        files[f"{number:02}-{kind}.dsse.json"] = (json.dumps(envelope.to_json(), indent=1) + "\n").encode()
        files[f"{number:02}-{kind}.sigstore.json"] = text
        if envelope.digest.hex in proofs:
            files[f"proofs/{number:02}-{kind}.json"] = proofs[envelope.digest.hex]
    return files


def _files(directory: Path) -> dict[str, bytes]:
    try:
        tree = list_tree(directory)
    except (UsageError, ContentError) as error:
        where = "" if directory.name == STATEMENTS_DIRECTORY else f" in {directory}"
        raise TrustError(
            f"no statements{where}: nothing vouches for this folder", hint="export them with `assay attest export`"
        ) from error
    if tree.skipped:
        raise TrustError(f"statements: {tree.skipped[0].path}: {tree.skipped[0].reason}")
    wanted = [file for file in tree.files if is_statement_file(file.path) and not _KEY_FILE.fullmatch(file.path)]
    if len(wanted) > 2 * MAX_STATEMENTS or any(file.size > MAX_FILE_BYTES for file in wanted):
        raise TrustError(f"more than {MAX_STATEMENTS} statements, or one larger than {MAX_FILE_BYTES} bytes")
    if sum(file.size for file in wanted) > MAX_BYTES:
        raise TrustError(f"more than {MAX_BYTES} bytes of statements")
    access = DirectoryFiles(tree)
    contents = {}
    for file in wanted:
        with access.open(file.path) as stream:
            contents[file.path] = stream.read()
    return contents


def _signed(path: str, data: bytes) -> Signed | None:
    match = _STATEMENT_FILE.fullmatch(path)
    if match is None and path != MODEL_SIGNATURE_FILE:
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TrustError(f"{path} is not JSON") from error
    try:
        if match is None:
            return Signed("oms", MODEL_SIGNATURE_FILE, from_bundle(document), material_of(document))
        if match["form"] == "dsse":
            return Signed(match["kind"], match["stem"], Envelope.from_json(document))
        return Signed(match["kind"], match["stem"], from_bundle(document), material_of(document))
    except TrustError as error:
        raise TrustError(f"{path}: {error}") from error
