"""The publisher's account, as the hub describes it.

What it reads: what the hub answered about the account when the model was fetched.
What it reports: facts for the bill of materials: kind of account, since when it exists, whether the hub verified it.
Why it matters: an account of a few weeks under a well-known name is how look-alikes begin.
What it cannot see: anything that the hub does not say: clients of the public hub know no creation date of accounts. A
badge is the hub's word, and says nothing about the model. Directories and uploads have no account of a hub.
References: https://huggingface.co/docs/hub/api.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from assay.core.evidence import Evidence, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.core.inspector import Subject


class Publisher:
    """The inspector `publisher`."""

    name = "publisher"
    version = "1"

    def inspect(self, subject: Subject) -> Evidence:
        """Turn what was told into facts."""
        account = subject.told.get("account")
        facts = _facts(account, str(subject.told.get("asked_at", ""))) if account else {}
        outcome = Outcome.CLEAN if facts else Outcome.NOT_APPLICABLE
        return Evidence(subject.snapshot.id, self.name, self.version, {}, outcome, facts=facts)


def _facts(account: Mapping[str, Any], asked_at: str) -> dict[str, Any]:
    if problem := account.get("problem"):
        return {"problem": problem}
    created = account["created_at"]
    age = (datetime.fromisoformat(asked_at) - datetime.fromisoformat(created)).days if created and asked_at else None
    return {
        "owner": account["owner"],
        "kind": account["kind"],
        "verified": account["verified"],
        "created_at": created,
        "account_age_days": age if age is not None and age >= 0 else None,
        "asked_at": asked_at,
    }
