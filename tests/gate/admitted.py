"""Signs a whole admission, as the spine does, with a place to interfere at each statement."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from assay.core.digest import Digest
from assay.core.evidence import Evidence, Outcome
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision, Reason, Verdict
from assay.gate.statements import export_files
from assay.policy.model import load_policy
from assay.provenance import statements as st
from assay.provenance.keys import ROLES
from assay.provenance.oms import oms_statement
from assay.provenance.trust import Trust, trust_text

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NOW = START + timedelta(days=2)
NAME = "org/name"
FILES = {
    ".gitattributes": b"*.bin filter=lfs\n",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": bytes(1000),
    "sub/tokenizer.json": b"{}",
}
ROLE_OF = {
    "fetched": "importer",
    "scanned": "scanner",
    "approved": "approver",
    "ref": "registry",
    "view": "registry",
    "revoked": "approver",
    "oms": "registry",
}


def snapshot_of(files=FILES, name=NAME):
    entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
    return Snapshot.of(entries, Origin("directory", "file:///models/name", name))


@dataclass
class Admission:
    """One signed chain. `edit` maps a kind to a function of its statement, applied before it is signed."""

    ring: object
    snapshot: Snapshot = field(default_factory=snapshot_of)
    name: str = NAME
    start: datetime = START
    decision: Decision = Decision.ADMIT
    policy: Digest = field(default_factory=lambda: load_policy(None).digest)
    roles: dict = field(default_factory=dict)
    edit: dict = field(default_factory=dict)
    rings: dict = field(default_factory=dict)
    envelopes: dict = field(default_factory=dict)
    move: dict = field(default_factory=lambda: {"revision": "b" * 40, "previous_revision": "", "reason": "first"})

    @property
    def evidence(self):
        paths = tuple(entry.path for entry in self.snapshot.files)
        return Evidence(self.snapshot.id, "pickle", "1", {}, Outcome.CLEAN, paths)

    def sign(self, kind, statement):
        statement = self.edit.get(kind, lambda one: one)(statement)
        ring, role = self.rings.get(kind, self.ring), self.roles.get(kind, ROLE_OF[kind])
        envelope = ring.sign(role, statement)
        self.envelopes[kind] = (envelope, ring.bundle(role, envelope))
        return envelope

    def verdict(self, evidence):
        at = self.start + timedelta(seconds=3)
        return Verdict(
            self.snapshot.id,
            self.decision,
            (Reason("admit", "all inspectors read all files"),),
            self.policy,
            (evidence.digest,),
            at,
            at + timedelta(days=90),
        )

    def run(self, *, revoked=False):
        at = [self.start + timedelta(seconds=s) for s in range(7)]
        snapshot = self.snapshot
        evidence = self.evidence
        fetched = self.sign("fetched", st.fetched(snapshot, started=at[0], finished=at[1]))
        scanned = self.sign("scanned", st.scanned(snapshot, [evidence], previous=fetched, at=at[2]))
        approval = st.approved(
            snapshot, self.verdict(evidence), policy_name="builtin", inputs=[fetched, scanned], name=self.name
        )
        approved = self.sign("approved", approval)
        self.sign("oms", oms_statement(snapshot, self.name))
        self.sign("ref", st.ref(snapshot, name=self.name, ref="main", previous=approved, at=at[4], **self.move))
        if revoked:
            self.sign("revoked", st.revoked(snapshot, name=self.name, reason="bad", previous=approved, at=at[5]))
        return self

    def view(self, at):
        approved = self.envelopes["approved"][0]
        statement = st.view(
            self.snapshot, name=self.name, revision=self.move["revision"], log_head="0" * 64, previous=approved, at=at
        )
        self.sign("view", statement)
        return self

    def exported(self):
        return export_files(self.snapshot.manifest_bytes(), [(kind, *forms) for kind, forms in self.envelopes.items()])

    def write(self, folder, files=FILES, statements=".assay"):
        put(folder, files)
        put(folder / statements, self.exported())
        put(folder / statements, {f"keys/{role}.pub": self.ring.public(role).pem.encode() for role in ROLES})
        return folder


def put(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def trust_of(ring, now=START, **changes):
    return replace(Trust.parse(trust_text({role: ring.public(role) for role in ROLES}, now=now)), **changes)


def outcome(report):
    """Number of the first step that is not passed, and whether it failed; None when all passed."""
    stopped = report.refusal
    return None if stopped is None else (stopped.n, stopped.ok)
