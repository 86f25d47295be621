"""From a hub to the bills of materials: history and account are told once, kept as evidence, and vetted again."""

import json

from assay.admission.inspectors import provenance_of
from assay.admission.request import HubAccess, Request
from assay.core.digest import Digest
from assay.registry.inventory import Inventory, Query
from assay.registry.inventory_entries import record_of
from tests.admission.world import Reader, World
from tests.simulators.hub import HubSimulator

NAME = "org/model"


def newest(world):
    return record_of(Inventory(world.index).find(Query(name=NAME))[0])


def test_what_the_hub_told_stands_in_the_bills_and_stays_when_it_is_vetted_again(tmp_path):
    hub, world = HubSimulator(), World(tmp_path)
    first = hub.add(NAME, {"README.md": b"card", "model.safetensors": b"1" * 2000})
    hub.dates[first], hub.authors[first] = "2026-01-02T00:00:00Z", "ben"
    hub.accounts["users/org"] = {"createdAt": "2026-01-01T00:00:00Z"}
    with hub.running() as url, world.admission(inspectors=(Reader(), *provenance_of(world.index))) as admission:
        vetted = admission.vet(Request.of(f"hf://{NAME}", None, url, HubAccess()))
        record = newest(world)
        assert record.value("weights_changed")["last"] == {
            "id": first, "at": "2026-01-02T00:00:00Z", "author": "ben", "title": f"commit {first[:7]}",
        }  # fmt: skip
        assert record.fields["repository"].standing == record.fields["account_age_days"].standing == "declared"
        assert record.value("account_age_days") > 0
        assert record.value("publisher_verification") is None
        assert record.fields["registry_history"].standing == "verified"
        assert record.value("registry_history") == {"revisions": 0, "uploads": 0}  # nothing of this name before
        kept = {one.kind: one for one in world.index.statements_for(vetted.snapshot.id)}
        signed = json.loads(kept["cyclonedx"].envelope.payload)["predicate"]
        (commit,) = signed["metadata"]["component"]["pedigree"]["commits"]
        assert (commit["uid"], commit["author"]["name"]) == (first, "ben")
        assert commit["url"] == f"{url}/{NAME}/commit/{first}"
        second = hub.add(NAME, {"README.md": b"card", "model.safetensors": b"2" * 2000})
        hub.dates[second], hub.authors[second] = "2026-02-02T00:00:00Z", "carla"
        admission.vet(Request.of(f"hf://{NAME}", None, url, HubAccess()))
        record = newest(world)
        assert record.value("weights_changed")["last"]["author"] == "carla"
        assert record.value("weights_changed")["after_card"] is True  # the card is of January
        here = record.value("registry_history")
        assert (here["revisions"], here["weights_changed"]["revision"]) == (1, vetted.revision)
        asked = hub.asked("overview")
        admission.vet(Request.of_snapshot(Digest.parse(str(vetted.snapshot.id)), NAME))
        assert hub.asked("overview") == asked
        assert newest(world).value("weights_changed")["last"]["author"] == "ben"  # of the older snapshot, as told then
