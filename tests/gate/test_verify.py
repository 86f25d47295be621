"""The gate: an untouched folder passes eleven steps; what it can not tell is said."""

import json
import os
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from assay.core.digest import Digest
from assay.core.errors import EnvironmentFault, TrustError, UsageError
from assay.core.verdict import Decision
from assay.gate.files import Files, folder_files, stored_files
from assay.gate.report import Recorder, Report
from assay.gate.statements import Statements, export_files
from assay.gate.verify import verify, verify_folder
from assay.provenance.bundle import to_bundle
from assay.provenance.keys import ROLES, KeyRing
from assay.provenance.trust import trust_text
from assay.store.tree import DirectoryFiles, list_tree
from tests.gate.admitted import FILES, NAME, NOW, START, Admission, outcome, put, snapshot_of


def test_an_untouched_folder_is_verified(folder, trust):
    report = verify_folder(folder, trust, now=NOW)
    assert [step.n for step in report.steps] == list(range(1, 12))
    assert all(step.ok for step in report.steps), report.refusal
    assert report.verified
    assert report.exit_code == 0
    assert (report.subject, report.name) == (str(snapshot_of().id), NAME)
    assert report.origin == "file:///models/name"
    document = json.loads(json.dumps(report.to_json()))
    assert document["schema"] == "assay.verify/v1"
    assert document["outcome"] == "verified"
    assert document["reasons"] == []
    assert document["steps"][4] == {"n": 5, "step": report.steps[4].step, "ok": True, "detail": report.steps[4].detail}


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta(0)])
def test_a_refusal_later_or_at_the_same_second_outweighs_an_admission(ring, trust, tmp_path, later):
    early = Admission(ring).run()
    late = Admission(ring, start=START + later, decision=Decision.REJECT).run()
    both_chains = [(kind, *forms) for one in (early, late) for kind, forms in one.envelopes.items()]
    manifest = early.snapshot.manifest_bytes()
    for order in (both_chains, both_chains[::-1]):
        statements = Statements(manifest, signed_of(manifest, order, tmp_path))
        put(tmp_path / "model", FILES)
        report = verify_folder(tmp_path / "model", trust, statements, now=NOW)
        assert outcome(report) == (8, False)


def signed_of(manifest, chains, tmp_path):
    target = tmp_path / f"export-{len(list(tmp_path.iterdir()))}"
    put(target, export_files(manifest, chains))
    return Statements.read(target).signed


def test_the_policy_must_be_an_accepted_one(folder, trust, admission):
    accepted = replace(trust, accepted_policies=frozenset({admission.policy}))
    assert verify_folder(folder, accepted, now=NOW).verified
    report = verify_folder(folder, replace(trust, accepted_policies=frozenset({Digest.of(b"other")})), now=NOW)
    assert outcome(report) == (9, False)


def test_an_old_view_of_the_registry_can_not_tell(folder, trust, admission):
    later = START + timedelta(days=40)
    report = verify_folder(folder, trust, now=later)
    assert outcome(report) == (10, None)
    assert report.exit_code == 2
    assert report.to_json()["outcome"] == "unknown"
    assert "39 days old" in report.refusal.detail
    put(folder / ".assay", admission.view(later - timedelta(days=1)).exported())
    assert verify_folder(folder, trust, now=later).verified


def test_a_view_from_the_future_is_refused(folder, trust, admission):
    put(folder / ".assay", admission.view(NOW + timedelta(days=300)).exported())
    assert outcome(verify_folder(folder, trust, now=NOW)) == (2, False)


def test_the_name_can_be_asked_for(folder, ring, trust, tmp_path):
    assert verify_folder(folder, trust, now=NOW, name=NAME).verified
    report = verify_folder(folder, trust, now=NOW, name="org/other")
    assert outcome(report) == (3, False)
    assert "approved as org/name, not as org/other" in report.refusal.detail


def test_two_names_need_a_choice(ring, trust, tmp_path):
    """The same files under a name that imitates another may be rejected: a verdict holds for its name."""
    good, bad = Admission(ring).run(), Admission(ring, name="0rg/name", decision=Decision.REJECT).run()
    chains = [(kind, *forms) for one in (good, bad) for kind, forms in one.envelopes.items()]
    put(tmp_path / "model", FILES)
    manifest = good.snapshot.manifest_bytes()
    statements = Statements(manifest, signed_of(manifest, chains, tmp_path))
    assert outcome(verify_folder(tmp_path / "model", trust, statements, now=NOW)) == (3, False)
    assert verify_folder(tmp_path / "model", trust, statements, now=NOW, name=NAME).verified
    report = verify_folder(tmp_path / "model", trust, statements, now=NOW, name="0rg/name")
    assert outcome(report) == (8, False)


def test_a_statement_of_an_unknown_kind_has_no_effect(folder, trust, admission, ring):
    statement = replace(admission.envelopes["ref"][0].statement(), predicate_type="urn:later:kind")
    envelope = ring.sign("registry", statement)
    forms = [("bom", envelope, to_bundle(envelope, ring.public("registry")))]
    manifest = admission.snapshot.manifest_bytes()
    exported = export_files(manifest, forms)
    put(folder / ".assay", {f"9{path}": data for path, data in exported.items() if path != "manifest.json"})
    report = verify_folder(folder, trust, now=NOW)
    assert report.verified
    assert "without effect: 901-bom" in report.steps[0].detail
    # Under the name of a known kind it is refused.
    put(folder / ".assay", {"05-ref.dsse.json": exported["01-bom.dsse.json"]})
    assert outcome(verify_folder(folder, trust, now=NOW)) == (1, False)


def test_statements_may_lie_elsewhere(admission, trust, tmp_path):
    folder = admission.write(tmp_path / "model", statements="proof/here")
    assert outcome(verify_folder(folder, trust, now=NOW)) == (1, False)
    assert verify_folder(folder, trust, folder / "proof" / "here", now=NOW).verified
    shutil.move(folder / "proof", tmp_path / "proof")
    assert verify_folder(folder, trust, tmp_path / "proof" / "here", now=NOW).verified
    put(folder, {"proof/here/evil.py": b"x"})
    assert outcome(verify_folder(folder, trust, tmp_path / "proof" / "here", now=NOW)) == (4, False)


def test_either_form_alone_is_enough(folder, trust):
    for form in ("dsse", "sigstore"):
        copy = folder.parent / form
        shutil.copytree(folder, copy)
        for path in (copy / ".assay").glob(f"*.{form}.json"):
            path.unlink()
        assert verify_folder(copy, trust, now=NOW).verified


def test_what_a_hub_client_leaves_in_a_local_folder_is_passed_over(folder, trust):
    put(
        folder,
        {
            ".cache/huggingface/.gitignore": b"*",
            ".cache/huggingface/CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55",
            ".cache/huggingface/download/model.safetensors.metadata": b"abc\n",
            ".cache/huggingface/download/sub/tokenizer.json.lock": b"",
        },
    )
    report = verify_folder(folder, trust, now=NOW)
    assert report.verified
    assert "bookkeeping" in report.steps[3].detail


def test_bookkeeping_that_was_vetted_is_part_of_the_model(ring, trust, tmp_path):
    files = FILES | {".cache/huggingface/download/model.safetensors.metadata": b"abc\n"}
    folder = Admission(ring, snapshot=snapshot_of(files)).run().write(tmp_path / "model", files=files)
    assert verify_folder(folder, trust, now=NOW).verified
    put(folder, {".cache/huggingface/download/model.safetensors.metadata": b"abd\n"})
    assert outcome(verify_folder(folder, trust, now=NOW)) == (5, False)
    (folder / ".cache/huggingface/download/model.safetensors.metadata").unlink()
    assert outcome(verify_folder(folder, trust, now=NOW)) == (4, False)


def test_a_flood_of_statements_is_not_read(folder, trust, monkeypatch):
    for name in ("MAX_FILE_BYTES", "MAX_BYTES", "MAX_STATEMENTS"):
        with monkeypatch.context() as patched:
            patched.setattr(f"assay.gate.statements.{name}", 4)
            assert outcome(verify_folder(folder, trust, now=NOW)) == (1, False)


def test_the_layout_of_a_hub_client_s_cache_is_followed(admission, trust, tmp_path):
    model = tmp_path / "models--org--name"
    snapshot = model / "snapshots" / ("b" * 40)
    for path, data in FILES.items():
        put(model / "blobs", {Digest.of(data).hex: data})
        (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / path).symlink_to(os.path.relpath(model / "blobs" / Digest.of(data).hex, (snapshot / path).parent))
    put(tmp_path / "proof", admission.exported())
    assert verify_folder(snapshot, trust, tmp_path / "proof", now=NOW).verified
    (model / "blobs" / Digest.of(FILES["config.json"]).hex).write_bytes(b"?" * len(FILES["config.json"]))
    assert outcome(verify_folder(snapshot, trust, tmp_path / "proof", now=NOW)) == (5, False)


def test_no_folder_is_a_usage_error(trust, tmp_path):
    with pytest.raises(UsageError, match="not a directory"):
        verify_folder(tmp_path / "nothing", trust)


def test_a_folder_does_not_vouch_for_itself(folder, ring, tmp_path):
    text = trust_text({role: ring.public(role) for role in ROLES}, now=START)
    (tmp_path / "trust.toml").write_text(text)
    assert verify_folder(folder, tmp_path / "trust.toml", now=NOW).verified
    put(folder / ".assay", {"trust.toml": text.encode()})
    (tmp_path / "linked.toml").symlink_to(folder / ".assay" / "trust.toml")
    for path in (folder / ".assay" / "trust.toml", tmp_path / "linked.toml"):
        with pytest.raises(TrustError, match="lies in the folder"):
            verify_folder(folder, path, now=NOW)


def test_the_trust_file_is_read_and_missed_by_path(folder, tmp_path):
    with pytest.raises(TrustError, match="no trust file"):
        verify_folder(folder, tmp_path / "trust.toml")


def test_progress_counts_up_to_the_whole(folder, trust):
    seen = []
    verify_folder(folder, trust, now=NOW, progress=lambda path, done, total: seen.append((path, done, total)))
    assert sorted(path for path, _, _ in seen) == sorted(FILES)
    assert max(done for _, done, _ in seen) == sum(map(len, FILES.values())) == seen[0][2]


def test_an_unreachable_source_of_statements_can_not_tell(folder, trust):
    def unreachable():
        raise EnvironmentFault("registry: connection refused")

    report = verify(lambda: folder_files(folder), unreachable, trust, now=NOW)
    assert outcome(report) == (1, None)
    assert report.exit_code == 2


def test_a_disk_that_fails_can_not_tell(folder, trust):
    class Failing:
        def read(self, _size):
            raise OSError(5, "Input/output error")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    class Access:
        def open(self, _path):
            return Failing()

    files = replace(folder_files(folder), access=Access())
    report = verify(lambda: files, lambda: Statements.read(folder / ".assay"), trust, now=NOW)
    assert outcome(report) == (5, None)


def test_stored_files_are_verified_as_well(folder, admission, trust):
    access = DirectoryFiles(list_tree(folder))
    files = stored_files(admission.snapshot, access)
    later = START + timedelta(days=40)
    statements = Statements.read(folder / ".assay")
    assert verify(lambda: files, lambda: statements, trust, now=later, seen_at=later).verified
    assert verify(lambda: files, lambda: statements, trust, now=later).exit_code == 2


def test_nothing_is_never_verified():
    report = Report(())
    assert not report.verified
    assert report.exit_code == 2
    with pytest.raises(TrustError, match="without steps"):
        Recorder().steps()
    with pytest.raises(TrustError):
        KeyRing([]).key("approver")


def test_no_statements_at_all_are_refused(folder, admission, trust):
    empty = Statements(admission.snapshot.manifest_bytes(), ())
    assert outcome(verify_folder(folder, trust, empty, now=NOW)) == (1, False)


def test_an_empty_listing_verifies_nothing(admission, folder, trust):
    nothing = Files({}, (), DirectoryFiles(list_tree(folder)))
    report = verify(lambda: nothing, lambda: Statements.read(folder / ".assay"), trust, now=NOW)
    assert [step.n for step in report.steps if step.ok is False] == [4, 5]
