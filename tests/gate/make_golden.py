"""Sign the fixture of this version: `python -m tests.gate.make_golden`. Once for a release; the keys are thrown away.

A release's signatures must verify for ever, so its fixture is never made again.
"""

import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from assay import __version__
from assay.provenance.keys import ROLES, KeyRing
from assay.provenance.trust import trust_text
from tests.gate.admitted import START, Admission, snapshot_of

SIGNATURES = Path(__file__).parent.parent / "data" / "signatures"
FILES = {
    ".hidden": b"a hidden file counts\n",
    "config.json": b'{"model_type": "bert"}\n',
    "a-b/tokenizer.json": b"{}\n",
    "a/model.safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
}


def main() -> None:
    """Write the folder, its statements and the trust file."""
    target = SIGNATURES / __version__
    if target.exists():
        sys.exit(f"{target} is there already: signatures of a release are kept as they are")
    with tempfile.TemporaryDirectory() as scratch:
        ring = KeyRing.create(Path(scratch) / "keys")
    admission = Admission(ring, snapshot=snapshot_of(FILES)).run().view(START + timedelta(seconds=6))
    admission.write(target / "model", files=FILES)
    trust = trust_text({role: ring.public(role) for role in ROLES}, now=START)
    (target / "trust.toml").write_text(trust, encoding="utf-8")


if __name__ == "__main__":
    main()
