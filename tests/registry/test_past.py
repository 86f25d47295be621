"""What a registry recorded of a name: the record follows each upload and each revision, and no other name's."""

from sqlalchemy import insert

from assay.registry.past import Past
from assay.store.schema_uploads import uploads
from tests.support.admitted import snapshot
from tests.support.published import Publisher

NAME = "org/model"


def test_uploads_revisions_and_changes_of_weights(tmp_path):
    place = Publisher(tmp_path)
    coming = snapshot({"model.safetensors": b"3"}, NAME)

    def upload(actor, of=""):
        row = {"name": NAME, "commit_id": "a" * 40, "parent": "", "listing": "[]", "snapshot_id": of, "message": ""}
        with place.index.transaction() as tx:
            tx.execute(insert(uploads).values(**row, actor=actor, uploaded_at="2026-01-01T00:00:00Z"))

    def told():
        return Past(place.index).of(NAME, coming.id)

    assert (told()["revisions"], told()["uploads"], told()["weights_changed"]) == (0, 0, None)
    first = place.admit(NAME, {"model.safetensors": b"1"})
    place.admit("org/other", {"model.safetensors": b"9"})
    assert (told()["revisions"], told()["weights_changed"]["revision"]) == (1, first)
    place.admit(NAME, {"model.safetensors": b"1", "README.md": b"a card alone"})
    assert (told()["revisions"], told()["weights_changed"]["revision"]) == (2, first)
    third = place.admit(NAME, {"model.safetensors": b"2"})
    assert told()["weights_changed"]["revision"] == third
    assert told()["first"] < told()["last"]
    upload("anna")
    upload("ben", coming.id.hex)
    upload("anna")
    assert told()["uploaders"] == [["anna", 2], ["ben", 1]]
    assert told()["uploaded_by"] == "ben"
    place.index.close()
