"""Write the pictures of docs/viewing.md: `python scripts/screenshots.py RUN`, with Debian's chromium and `selfjudge[view]`.

A viewer of the run is started, and a page of it drawn as docs/figures/viewer.webp.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).parent.parent / "docs/figures"
SIZE = {"width": 1100, "height": 800}


def main() -> None:
    command = [sys.executable, "-m", "selfjudge", "view", sys.argv[1], "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewer:
        try:
            assert viewer.stdout is not None
            address = viewer.stdout.readline().split()[0]
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                draw(browser.new_page(viewport=SIZE), address)
                browser.close()
        finally:
            viewer.terminate()


def draw(page: Page, address: str) -> None:
    """The page of the first kept pair."""
    page.goto(f"{address}pairs?fate=kept&kind=open", wait_until="networkidle")
    page.locator("[data-row] a").first.click()
    page.wait_for_load_state("networkidle")
    image = Image.open(io.BytesIO(page.screenshot()))
    image.convert("RGB").save(OUT / "viewer.webp", quality=80, method=6)


if __name__ == "__main__":
    main()
