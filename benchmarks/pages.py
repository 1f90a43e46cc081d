"""Takes the pictures of the pages that the docs show: the start page, a story in the chat, a case at the desk, new intents.

    mlbot serve --demo                                          in a project on the company, with a champion
    python3 benchmarks/pages.py http://127.0.0.1:8000           into nbs/images; --to FOLDER puts them elsewhere
    python3 benchmarks/pages.py URL --project FOLDER            also the moving picture of the README: run, report and chat

It needs Chromium, its driver and selenium. The demo's log fills up: use a project for it that you can throw away. With
--project, `mlbot run` runs in that project, and the picture shows what it printed and its report.
"""

import argparse
import html
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).resolve().parent.parent / "nbs" / "images"
ASKS, DAYS = ("can I bring", "am I allowed to bring", "who do I ask about taking"), ("on Friday", "tomorrow", "next week")
UNANSWERED = [f"{ask} my dog to the office {day}" for ask in ASKS for day in DAYS]
COLOURS, PATIENCE = 48, 60  # of a picture; seconds for a story
SIZE, PLAYED = (1000, 560), 3  # of the moving picture; how often it plays before it stops
STEPS = r"mlbot run |  \d_\w+ "
GATES = r"gate  |(?:accuracy|macro_f1|intents|conversation_success|wrong_process|robust|silently_wrong|oos_recall|cost)\b"
LAST = r"released|report|next"
TERMINAL = ("<body style='margin:0;padding:26px 30px;background:#16191f;color:#dfe3ea;font:14px/1.45 monospace'>"
            "<pre style='margin:0;font:inherit;white-space:pre'>{}</pre>")


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


def seen(browser) -> Image.Image:
    """What the page shows."""
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


def shoot(browser, file: Path) -> Path:
    """Store what the page shows, with few colours, so that it stays small."""
    seen(browser).quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    return file


def terminal(browser, text: str) -> Image.Image:
    """A terminal that shows a text."""
    browser.get("about:blank")
    browser.execute_script("document.documentElement.innerHTML = arguments[0]", TERMINAL.format(html.escape(text)))
    return seen(browser)


def printed_by_a_run(browser, printed: str) -> Image.Image:
    """A terminal with the command, its steps, some of its gates and its last lines."""
    lines, shown = printed.splitlines(), ["$ python3 -m mlbot run"]
    for pattern in (STEPS, GATES, LAST):
        found = [line[:114] for line in lines if re.match(pattern, line)]
        shown += [*found, {STEPS: "", GATES: "..."}.get(pattern, "")]
    return terminal(browser, "\n".join(shown))


def save_moving(frames: list[Image.Image], file: Path) -> Path:
    """A picture that moves: each frame for two seconds, those that take reading for five. A still one shows the run."""
    width, height = SIZE
    every = Image.new("RGB", (width, height * len(frames)))
    for at, frame in enumerate(frames):
        every.paste(frame, (0, height * at))
    palette = every.quantize(COLOURS)
    few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    long = (0, 1, len(few) - 1)  # what the run printed, its report, the end of the story
    few[0].save(file, save_all=True, append_images=few[1:], loop=PLAYED - 1, optimize=True,
                duration=[5000 if at in long else 2000 for at in range(len(few))])
    return file


def play(browser, url: str, story: str) -> list[Image.Image]:
    """Play a story of the start page to its end; what the page showed after each message."""
    frames: dict[str, Image.Image] = {}
    browser.get("about:blank")
    browser.get(f"{url}/web/chat.html?story={story}")
    wait_until(browser, lambda: one(browser, "#story-next"))

    def is_over() -> bool:
        if one(browser, "#story-links"):
            return True
        said, more = one(browser, "#log").text, one(browser, "#story-next")  # the button goes when the last message was said
        if more and said not in frames and not one(browser, "[aria-busy]"):
            frames[said] = seen(browser)
            more.click()
        return False
    wait_until(browser, is_over)
    return [*frames.values(), seen(browser)]


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


def take_pictures(url: str, folder: Path, printed: str = "", report: Path | None = None) -> list[Path]:
    """The pictures of a demo at an address; with what a run printed and its report, also the one that moves."""
    folder.mkdir(parents=True, exist_ok=True)
    browser = start_browser()
    try:
        sized(browser, *SIZE)
        browser.get(f"{url}/web/index.html")
        wait_until(browser, lambda: one(browser, "#story-list a"))
        made = [shoot(browser, folder / "page-start.png")]
        play(browser, url, "room")
        made.append(shoot(browser, folder / "page-chat.png"))
        if report:
            run = printed_by_a_run(browser, printed)
            browser.get(report.resolve().as_uri())
            made.append(save_moving([run, seen(browser), *play(browser, url, "two")], folder / "tour.gif"))
        play(browser, url, "person")
        sized(browser, 1120, 860)
        open_case(browser, url)
        made.append(shoot(browser, folder / "page-desk.png"))
        open_groups(browser, url)
        return [*made, shoot(browser, folder / "page-intents.png")]
    finally:
        browser.quit()


def ran(project: Path) -> tuple[str, Path]:
    """What `mlbot run` prints in a project, and the report of that run."""
    printed = subprocess.run([sys.executable, "-m", "mlbot", "run"], cwd=project, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=True).stdout
    return printed, project / re.findall(r"^report: (\S+)", printed, re.MULTILINE)[-1]


def main() -> int:
    """Take them, and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where mlbot serve --demo listens")
    parser.add_argument("--to", type=Path, default=IMAGES, metavar="FOLDER")
    parser.add_argument("--project", type=Path, metavar="FOLDER", help="run here, for the moving picture")
    options = parser.parse_args()
    printed, report = ran(options.project) if options.project else ("", None)
    for file in take_pictures(options.url.rstrip("/"), options.to, printed, report):
        print(f"{file}  {file.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
