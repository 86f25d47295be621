"""Draw the pictures of docs/howto/page.md: the real pages of a seeded registry, in Debian's Chromium."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.simulators.serving import serving  # noqa: E402
from tests.support.seeded import EVIL, GOOD, Seeded  # noqa: E402

from assay.server.app import create_app  # noqa: E402
from assay.server.state import ServerSettings  # noqa: E402

# file → page, width, height, colours
PICTURES = {
    "page-overview.png": ("/", 1100, 900, "light"),
    "page-refused.png": (f"/{EVIL}", 1100, 760, "light"),
    "page-model.png": (f"/{GOOD}", 1100, 1350, "light"),
    "page-phone.png": ("/", 390, 844, "dark"),
}


def main() -> None:
    """Write them all."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        seeded = Seeded(Path(folder) / "data")
        app = create_app(seeded.catalog, seeded.blobs, ServerSettings(hub=True), clock=lambda: seeded.now)
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        with serving(app) as url:
            for name, (path, width, height, scheme) in PICTURES.items():
                page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
                page.goto(url + path)
                page.screenshot(path=ROOT / "docs" / "howto" / name)
                print(name)
        browser.close()
        seeded.index.close()


if __name__ == "__main__":
    main()
