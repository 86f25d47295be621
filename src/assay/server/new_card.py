"""The card of a name that nothing is served under yet, for whoever is about to upload it.

`push_to_hub` of the libraries asks for the card first, keeps the one that is there, and gives up on any answer but it
or "no such file". Nothing unvetted is sent, so the answer is the latter, to people who may upload that name alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from assay.registry.people import may
from assay.registry.records import MAIN, Refused
from assay.registry.uploads import Uploads
from assay.server.access import actor_of, model_thing
from assay.server.answers import ENTRY_NOT_FOUND, error
from assay.server.state import registry_of, target_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

CARD: Final = "README.md"
_NEVER_SERVED: Final = frozenset(("unknown", "rejected", "held"))


def no_card_yet(request: Request, refusal: Refused) -> Response | None:
    """404 `EntryNotFound`; None where the refusal stands: another file, or somebody who doesn't upload this name."""
    registry, target, actor = registry_of(request), target_of(request), actor_of(request)
    if (target.path, target.revision) != (CARD, MAIN) or refusal.kind not in _NEVER_SERVED:
        return None
    if not may(actor, "upload", model_thing(registry, target.name)):
        return None
    uploads = Uploads(registry.catalog.index, registry.blobs).about(target.name, limit=1)
    if (uploads and uploads[0].actor != actor.person) or (not uploads and refusal.kind != "unknown"):
        return None
    said, waits = f"assay: {target.name} has no {CARD} here yet", ""
    if uploads and any(file.path == CARD for file in uploads[0].files):
        waits = "assay card"
        said = f"{said}: yours waits for its verdict, and a push before that replaces it"
    return error(404, said, ENTRY_NOT_FOUND, warn=waits)
