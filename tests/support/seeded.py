"""A registry with something of everything that the pages show: admitted, held, rejected, revoked, asked for, pulled."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from assay.core.digest import Digest
from assay.core.evidence import Evidence, Outcome, Unread
from assay.core.finding import Confidence, Finding, Severity, Where
from assay.core.snapshot import FileEntry, Origin, Snapshot
from assay.core.verdict import Decision, Reason, Verdict
from assay.provenance import statements as st
from assay.provenance.bundle import to_bundle
from assay.registry.lineage import Lineage, Node
from assay.registry.pulls import Consumer, PullLedger
from assay.registry.queue import FAILED, HUB, WorkQueue
from assay.store import log
from assay.store.index import StoredStatement
from tests.support import admitted
from tests.support.published import Publisher

if TYPE_CHECKING:
    from pathlib import Path

GOOD, HELD, EVIL, GONE, ODD = "acme/encoder", "acme/chat", "evil/pickle", "acme/old", "odd/names"
HOSTILE = "<script>alert(1)</script>"


class Seeded(Publisher):
    """The publisher, with models of each kind."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.first = self.admit(GOOD, {"config.json": b'{\n "layers": 2\n}\n', "model.safetensors": b"w" * 3000})
        self._measured()
        self.admit(GONE, {"model.safetensors": b"old" * 500})
        self.revoke(GONE, "the training data held a backdoor")
        self.admit("acme/small-bert", {"config.json": b"{}", "model.safetensors": b"s" * 900}, days=5)
        self._judge(HELD, {"pytorch_model.bin": b"big" * 900, "notes.xyz": b"?"}, Decision.HOLD, _held)
        self._judge(EVIL, {"pytorch_model.bin": b"evil" * 900, "config.json": b"{}"}, Decision.REJECT, _evil)
        self._judge(ODD, {f"{HOSTILE}.bin": b"odd", "\u202etxt.bin": b"rtl"}, Decision.REJECT, _hostile)
        self._use()

    def _judge(self, name, files, decision, found) -> None:
        entries = [FileEntry(path, len(data), Digest.of(data)) for path, data in files.items()]
        snapshot = Snapshot.of(entries, Origin("directory", "file:///somewhere", name))
        for data in files.values():
            self.blobs.put([data])
        self.index.put_snapshot(snapshot)
        evidence, reasons = found(snapshot)
        for one in evidence:
            self.index.put_evidence(one)
        self.now += timedelta(seconds=1)
        digests = tuple(sorted(one.digest for one in evidence))
        verdict = Verdict(
            snapshot.id, decision, reasons, admitted.POLICY, digests, self.now, self.now + timedelta(days=30)
        )
        fetched = self.sign("fetched", "importer", st.fetched(snapshot, started=self.now, finished=self.now))
        scanned = self.sign(
            "scanned", "scanner", st.scanned(snapshot, evidence, previous=fetched.envelope, at=self.now)
        )
        inputs = [fetched.envelope, scanned.envelope]
        approved = self.ring.sign(
            "approver", st.approved(snapshot, verdict, policy_name="strict", inputs=inputs, name=name)
        )
        kept = StoredStatement("approved", "approver", approved, to_bundle(approved, self.ring.public("approver")))
        for one in (fetched, scanned, kept):
            self.index.put_statement(snapshot.id, one.kind, one.role, one.envelope, one.bundle, at=self.now)
        self.catalog.record_refusal(name, verdict, self.now)

    def _measured(self) -> None:
        """A second revision of the good model, with figures, behaviour and a lineage."""
        files = {"config.json": b'{\n "layers": 3\n}\n', "model.safetensors": b"v" * 3000, "README.md": b"# Encoder"}
        snapshot = admitted.store(self.index, self.blobs, files, GOOD)
        own = Node("snapshot", snapshot.id.hex)
        lineage = Lineage(self.index)
        lineage.link(own, Node("model", "acme/small-bert"), "finetune-of")
        lineage.link(own, Node("model", "other/base"), "finetune-of", "refuted")
        lineage.link(own, Node("dataset", "sst2"), "trained-on")
        lineage.link(Node("deployment", "production"), own, "runs", "signed")
        evidence = (admitted.evidence(snapshot), _evaluation(snapshot), _behaviour(snapshot))
        for one in evidence:
            self.index.put_evidence(one)
        self.now += timedelta(seconds=1)
        verdict = Verdict(
            snapshot.id, Decision.ADMIT, (Reason("all", "every control looked, and found nothing"),), admitted.POLICY,
            tuple(sorted(one.digest for one in evidence)), self.now, self.now + timedelta(days=60),
        )  # fmt: skip
        chain = self._chain(GOOD, snapshot, verdict)
        self._approved[GOOD] = chain[-1].envelope
        self.second = self.catalog.publish(GOOD, snapshot.id, verdict, chain, self.now, blobs=self.blobs).revision
        self.move(GOOD, self.second)
        self.move(GOOD, self.first, "production")

    def _use(self) -> None:
        queue = WorkQueue(self.index)
        queue.ask(HUB, "acme/none", "acme/none", asked_by="bob", now=self.now)
        item = queue.claim("seed", lambda _: False, self.now)
        queue.end(item, FAILED, "", f"the hub has no {HOSTILE}", self.now)
        queue.ask(HUB, "big/model", "big/model", asked_by="anna", reason="for the search team", now=self.now)
        ledger = PullLedger(self.index)
        resolved = self.catalog.resolve(GOOD, now=self.now)
        for back in range(9):
            who = Consumer(("anna", "ci", "bob")[back % 3], client="hub", address="127.0.0.1")
            for _ in range(1 + back * 3 % 7):
                moment = self.now - timedelta(days=back)
                ledger.record(GOOD, resolved.revision, resolved.snapshot.id, consumer=who, size=10, now=moment)
        ledger.close()
        with self.index.transaction() as tx:
            body = {"name": HELD, "snapshot": "0" * 64, "person": "anna", "reason": "the demo is tomorrow"}
            log.append(tx, "break-glass", {**body, "statement": "0" * 64}, self.now)
            body = {"name": GONE, "snapshot": "0" * 64, "verdict": "0" * 64, "from": "0" * 64}
            log.append(tx, "turned", {**body, "reason": "a new rule found a call in model.safetensors"}, self.now)


def _held(snapshot):
    unread = (Unread("notes.xyz", "format unknown"),)
    covered = ("pytorch_model.bin",)
    found = Finding("licence-missing", Severity.MEDIUM, Confidence.HIGH, "no licence is stated", Where(""))
    read = Evidence(snapshot.id, "pickle", "3", {}, Outcome.INCONCLUSIVE, covered, unread)
    card = Evidence(snapshot.id, "card", "2", {}, Outcome.FOUND, covered, (), (found,))
    return (read, card), (Reason("unread.hold", "1 file could not be read: notes.xyz (format unknown)"),)


def _evil(snapshot):
    call = {"call": "posix.system('touch /tmp/assay-test')"}
    where = Where("pytorch_model.bin", ("archive/data.pkl",), 123)
    findings = (
        Finding("config-odd", Severity.LOW, Confidence.LOW, "a setting that nobody uses", Where("config.json")),
        Finding("pickle-dangerous-call", Severity.CRITICAL, Confidence.HIGH, "calls posix.system", where, call),
    )
    covered = tuple(entry.path for entry in snapshot.files)
    one = Evidence(snapshot.id, "pickle", "3", {}, Outcome.FOUND, covered, (), findings)
    return (one,), (Reason("severity.reject", "pickle-dangerous-call: loading it runs a shell command"),)


def _hostile(snapshot):
    path = snapshot.files[0].path
    found = Finding("evil", Severity.HIGH, Confidence.HIGH, f"says {HOSTILE} \u202e", Where(path), {"call": HOSTILE})
    one = Evidence(snapshot.id, "pickle", "3", {}, Outcome.FOUND, (path,), (), (found,))
    return (one,), (Reason("severity.reject", f"because of {HOSTILE}"),)


def _evaluation(snapshot) -> Evidence:
    line = {
        "metric": "accuracy", "suite": "sst2", "dataset": f"sha256:{'a' * 64}", "measured": 0.905,
        "interval": [0.884, 0.922], "n": 872, "claim": "accuracy 0.91", "claimed": 0.91, "verdict": "holds",
    }  # fmt: skip
    second = {**line, "metric": "f1", "measured": 0.71, "interval": [0.68, 0.74], "claimed": 0.72, "verdict": "holds"}
    facts = {"metrics": [line, second]}
    return Evidence(snapshot.id, "evaluation", "1", {}, Outcome.CLEAN, ("model.safetensors",), facts=facts)


def _behaviour(snapshot) -> Evidence:
    probes = [
        {
            "probe": name,
            "outcome": "clean",
            "reason": "no candidate flips more than the references do",
            "score": rate * 10,
            "threshold": 4.2,
            "false_positive_rate": 0.01,
            "candidates": [{"text": "cf"}, {"text": "\u200bmn"}],
            "flip_rate": {"value": rate, "interval": [low, high]},
        }
        for name, rate, low, high in (("rare words", 0.04, 0.01, 0.09), ("added tokens", 0.11, 0.06, 0.18))
    ]
    mask = [[255 if x < 3 and y < 3 else 20 for x in range(8)] for y in range(8)]
    pattern = [[[x * 30, 0, 255 - y * 30] for x in range(8)] for y in range(8)]
    probes[1]["pictures"] = [{"name": "patch to class 2", "mask": mask, "pattern": pattern}, {"mask": [[1], [HOSTILE]]}]
    facts = {"probes": probes}
    return Evidence(snapshot.id, "behaviour", "1", {}, Outcome.CLEAN, ("model.safetensors",), facts=facts)
