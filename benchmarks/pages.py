"""Takes the pictures of the pages that the docs show: the start page, a story in the chat, a case at the desk, new intents.

    mlbot serve --demo                                          in a project on the company, with a champion
    python3 benchmarks/pages.py http://127.0.0.1:8000           into nbs/images; --to FOLDER puts them elsewhere

It needs Chromium, its driver and selenium. The demo's log fills up: use a project for it that you can throw away.
"""

import argparse
import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).resolve().parent.parent / "nbs" / "images"
ASKS, DAYS = ("can I bring", "am I allowed to bring", "who do I ask about taking"), ("on Friday", "tomorrow", "next week")
UNANSWERED = [f"{ask} my dog to the office {day}" for ask in ASKS for day in DAYS]
COLOURS, PATIENCE = 48, 60  # of a picture; seconds for a story


def start_browser():
    """Chromium without a window, for somebody who wants nothing to move: a story then goes on when it is told to."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for word in ("--headless", "--no-sandbox", "--disable-gpu", "--force-prefers-reduced-motion", "--lang=en"):
        options.add_argument(word)
    return Chrome(options=options, service=Service(shutil.which("chromedriver") or ""))


def sized(browser, width: int, height: int) -> None:
    """Give the page a size, in CSS pixels."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})


def wait_until(browser, ready: Callable[[], object]) -> None:
    """Wait until something is there."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.wait import WebDriverWait
    WebDriverWait(browser, PATIENCE, 0.1, (WebDriverException,)).until(lambda _: ready())


def one(browser, selector: str):
    """The first visible element; None for none."""
    from selenium.webdriver.common.by import By
    return next((node for node in browser.find_elements(By.CSS_SELECTOR, selector) if node.is_displayed()), None)


def shoot(browser, file: Path) -> Path:
    """Store what the page shows, with few colours, so that it stays small."""
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    return file


def play(browser, url: str, story: str) -> None:
    """Play a story of the start page to its end."""
    browser.get("about:blank")
    browser.get(f"{url}/web/chat.html?story={story}")
    wait_until(browser, lambda: one(browser, "#story-next"))

    def is_over() -> bool:
        if one(browser, "#story-links"):
            return True
        more = one(browser, "#story-next")  # gone as soon as the last message was said
        if more:
            more.click()
        return False
    wait_until(browser, is_over)


def open_case(browser, url: str) -> None:
    """Sign in at the desk, and take the first chat."""
    browser.get(f"{url}/web/agents.html")
    wait_until(browser, lambda: one(browser, "#sign-in form, #count"))
    if one(browser, "#as-name"):
        one(browser, "#as-name").send_keys("Grace")
        one(browser, "#sign-in form button").click()
    wait_until(browser, lambda: one(browser, "#waiting button"))
    one(browser, "#waiting button").click()
    wait_until(browser, lambda: one(browser, "#take"))
    one(browser, "#take").click()
    wait_until(browser, lambda: one(browser, "#canned-list button"))


def open_groups(browser, url: str) -> None:
    """Open the page of new intents, as the agent who signed in before; ask for something new where it shows no group."""
    ask = ("const done = arguments[1]; Promise.all(arguments[0].map((text) => fetch('/v1/predict', {method: 'POST', "
           "headers: {'content-type': 'application/json'}, body: JSON.stringify({text})}))).then(() => done())")
    browser.get(f"{url}/web/intents.html")
    wait_until(browser, lambda: one(browser, "#look"))
    if not one(browser, ".group"):
        browser.execute_async_script(ask, UNANSWERED)
        browser.refresh()
        wait_until(browser, lambda: one(browser, "#look:enabled"))
        one(browser, "#look").click()
    wait_until(browser, lambda: one(browser, ".group"))


def take_pictures(url: str, folder: Path) -> list[Path]:
    """The pictures of a demo at an address."""
    folder.mkdir(parents=True, exist_ok=True)
    browser = start_browser()
    try:
        sized(browser, 1000, 560)
        browser.get(f"{url}/web/index.html")
        wait_until(browser, lambda: one(browser, "#story-list a"))
        made = [shoot(browser, folder / "page-start.png")]
        play(browser, url, "room")
        made.append(shoot(browser, folder / "page-chat.png"))
        play(browser, url, "person")
        sized(browser, 1120, 860)
        open_case(browser, url)
        made.append(shoot(browser, folder / "page-desk.png"))
        open_groups(browser, url)
        return [*made, shoot(browser, folder / "page-intents.png")]
    finally:
        browser.quit()


def main() -> int:
    """Take them, and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where mlbot serve --demo listens")
    parser.add_argument("--to", type=Path, default=IMAGES, metavar="FOLDER")
    options = parser.parse_args()
    for file in take_pictures(options.url.rstrip("/"), options.to):
        print(f"{file}  {file.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
