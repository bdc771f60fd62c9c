"""Write the pictures of the docs: `python scripts/screenshots.py RUN`, with Debian's chromium and `selfjudge[view]`.

The report of the run is drawn as docs/figures/report.webp, and two pages of its viewer as
docs/figures/pairs.webp and viewer.webp.
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
                draw_report(browser.new_page(viewport=SIZE), Path(sys.argv[1]))
                draw_viewer(browser.new_page(viewport=SIZE), address)
                browser.close()
        finally:
            viewer.terminate()


def draw_report(page: Page, run: Path) -> None:
    """The beginning of the report."""
    page.goto((run / "report.html").resolve().as_uri())
    save(page, "report.webp")


def draw_viewer(page: Page, address: str) -> None:
    """The list of kept captions, and the page of the first one."""
    page.goto(f"{address}pairs?fate=kept&kind=open", wait_until="networkidle")
    save(page, "pairs.webp")
    page.locator("[data-row] a").first.click()
    page.wait_for_load_state("networkidle")
    save(page, "viewer.webp")


def save(page: Page, name: str) -> None:
    image = Image.open(io.BytesIO(page.screenshot()))
    image.convert("RGB").save(OUT / name, quality=80, method=6)


if __name__ == "__main__":
    main()
