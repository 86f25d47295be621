"""Persons with keys of their own, in the trust file of a data directory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from assay.provenance import dsse
from assay.provenance.keys import KeyRing
from assay.provenance.trust import trust_entry, trust_text

if TYPE_CHECKING:
    from pathlib import Path

    from assay.core.statement import Envelope, Statement

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Persons:
    """`anna`, `bob`, … with a key each, and the trust file that believes them."""

    def __init__(self, folder: Path, trust: Path, names: tuple[str, ...] = ("anna", "bob"), *, role: str = "reviewer"):
        self.keys: dict[str, Path] = {}
        if not trust.exists():
            machine = KeyRing.create(folder / "machine")
            trust.write_text(trust_text({"approver": machine.public("approver")}, now=LONG_AGO))
        text = trust.read_text()
        until = datetime.now(UTC) + timedelta(days=365)
        for name in names:
            home = folder / name
            home.mkdir(parents=True)
            public = KeyRing.add(home, role)
            text += trust_entry(public, [role], now=LONG_AGO, until=until, person=name)
            self.keys[name] = home / f"{role}.pem"
        trust.write_text(text)

    def sign(self, name: str, statement: Statement) -> Envelope:
        return dsse.sign(statement, KeyRing.read(self.keys[name], "reviewer"))
