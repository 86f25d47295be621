"""Our statements against in-toto's own definitions: the protocol buffers of the package `in-toto-attestation`."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as Theirs

from assay.core.statement import Statement
from assay.provenance import statements as st
from tests.provenance.test_kinds import made

__all__ = ["made"]  # a fixture
PREDICATES = {
    "fetched": provenance_pb2.Provenance,
    "evaluated": test_result_pb2.TestResult,
    "approved": vsa_pb2.VerificationSummary,
}


def parsed(statement: Statement):
    """As in-toto reads it; an unknown field is an error."""
    return json_format.Parse(statement.payload(), statement_pb2.Statement())


@pytest.mark.parametrize("kind", list(st.KINDS))
def test_every_statement_is_one_by_their_definition_and_comes_back_the_same(made, kind):
    theirs = parsed(made[0][kind])
    Theirs.copy_from_pb(theirs).validate()
    assert len(theirs.subject) == len(made[0][kind].subjects)
    again = Statement.from_json(json.loads(json_format.MessageToJson(theirs)))
    assert again.subjects == made[0][kind].subjects
    assert again.predicate_type == made[0][kind].predicate_type


def test_their_check_tells_what_is_no_statement(made):
    document = json.loads(made[0]["fetched"].payload())
    theirs = json_format.ParseDict(document | {"_type": "urn:else"}, statement_pb2.Statement())
    with pytest.raises(ValueError, match="statement type"):
        Theirs.copy_from_pb(theirs).validate()
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict(document | {"more": 1}, statement_pb2.Statement())


@pytest.mark.parametrize("kind", list(PREDICATES))
def test_predicates_of_others_have_their_fields_and_ours_stand_apart(made, kind):
    """Every field that is not named `assay_…` is one of the predicate's definition, with its type."""
    predicate = json.loads(made[0][kind].payload())["predicate"]
    plain = {key: value for key, value in predicate.items() if not key.startswith("assay_")}
    if kind == "approved":
        # SLSA's text (slsa.dev/verification_summary/v1) has a list of levels and the verifier's versions; the package's
        # definition (0.9.3) has one string and the id alone.
        assert isinstance(plain.pop("verifiedLevels"), list)
        assert isinstance(plain["verifier"].pop("version"), dict)
        plain["verifiedLevels"] = ""
    message = json_format.ParseDict(plain, PREDICATES[kind]())
    assert set(json_format.MessageToDict(message)) == {key for key, value in plain.items() if value}, (
        "no field got lost"
    )
