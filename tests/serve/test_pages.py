"""The pages in a real browser: people get through, from the keyboard too, axe finds nothing, and hostile text stays text."""

import contextlib
import json
import re
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browsing import start_browser
from serving import Service

selenium = pytest.importorskip("selenium", reason="selenium drives the browser")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

AXE = "axe-core@4.14.1"


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe, which knows the rules of WCAG; fetched once with npm."""
    import fcntl
    npm, home = shutil.which("npm"), Path.home() / ".cache" / "mlbot" / AXE.replace("@", "-")
    file = home / "node_modules" / "axe-core" / "axe.min.js"
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.is_file() and npm:
            subprocess.run([npm, "install", "--no-audit", "--no-fund", "--prefix", str(home), AXE], capture_output=True)
    if not file.is_file():
        pytest.skip(f"{AXE} cannot be fetched: it needs npm")
    return file.read_text()


class Receiver:
    """A process on this machine that keeps what it was sent."""

    def __init__(self):
        self.got, receiver = [], self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                body = b'{"message": "Your printer is on its way."}'
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture(scope="module")
def receiver():
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def service(company_project, tmp_path_factory, receiver, root_path):
    """The company's bot, whose process `printer` lives at the receiver and asks before it starts."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(company_project / "models", folder / "models")
    shipped = (root_path / "mlbot" / "shipped" / "company" / "processes.toml").read_text()
    before, _, after = shipped.partition("[printer]\n")
    after = after.replace("confirm = false", "confirm = true\ncancel = true", 1)
    (folder / "processes.toml").write_text(f'{before}[printer]\nurl = "{receiver.url}/printer"\n{after}')
    (folder / "settings.ini").write_text("[data]\nsource = company\n[bot]\nprocesses = processes.toml\n"
                                         f"languages = Berlin=en\nwebhooks = {receiver.url}\n"
                                         "[service]\nper_caller = 100000\n[promise]\nwrong = 0\n")
    found = Service(folder, "--demo")
    yield found
    said = found.stop()
    assert "Traceback" not in said, said


@pytest.fixture(scope="module")
def root_path() -> Path:
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def browser():
    found = start_browser()
    yield found
    found.quit()


def wait_for(check, what: str, seconds: float = 15.0):
    """What `check` gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := check():
                return found
        except Exception as problem:  # the page is still being built
            what = f"{what} ({type(problem).__name__})"[:300]
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s for {what}")


def open_page(browser, service, name: str, token: str = "", wait: str = "main"):
    """Load a page, as who bears the token."""
    browser.get("about:blank")
    browser.get(f"{service.url}/web/{name}" + (f"#token={token}" if token else ""))
    wait_for(lambda: browser.find_element(By.TAG_NAME, wait), name)


@contextlib.contextmanager
def page_of(browser, width: int, height: int):
    """Give the page that size for a while; the browser is shared, so a test that fails must leave it as it was."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def shown(browser, selector: str, *texts: str) -> str:
    """The text of an element, as soon as it holds all of these."""
    def found() -> str:
        text = browser.find_element(By.CSS_SELECTOR, selector).text
        return text if all(part in text for part in texts) else ""
    return wait_for(found, f"{selector} with {', '.join(texts)}")


def said(browser) -> str:
    """All text of the page."""
    return browser.find_element(By.TAG_NAME, "body").text


def press(browser, *keys):
    """Press keys, wherever the focus is."""
    browser.switch_to.active_element.send_keys(*keys)


def problems_of(browser, axe: str) -> list[str]:
    """What axe finds wrong, and what the browser has complained about."""
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = browser.execute_async_script(
        "const done = arguments[1]; axe.run({runOnly: arguments[0]}).then(r => done(r.violations.map(v => v.id + ': ' + "
        "v.nodes.map(n => n.html).join(' | ').slice(0, 300))))", tags)
    complaints = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    return found + complaints


def sign_in(browser, **values):
    """Fill the form of a demonstration, and go on."""
    wait_for(lambda: browser.find_element(By.CSS_SELECTOR, "#sign-in form"), "the form of the demonstration")
    for name, value in values.items():
        field = browser.find_element(By.CSS_SELECTOR, f"#sign-in [name={name}]")
        if field.tag_name == "select":
            wait_for(lambda field=field, value=value: [option for option in field.find_elements(By.TAG_NAME, "option")
                                                       if option.get_attribute("value") == value], value)[0].click()
        else:
            field.clear()
            field.send_keys(value)
    browser.find_element(By.CSS_SELECTOR, "#sign-in form button").click()


def be_agent(browser, name: str):
    """Sign in as an agent, unless this browser is signed in; wait until the page says who it is."""
    def is_known() -> bool:
        return bool(browser.find_elements(By.CSS_SELECTOR, "#who button"))
    wait_for(lambda: is_known() or browser.find_elements(By.CSS_SELECTOR, "#sign-in form"), "a form, or a name")
    if not is_known():
        sign_in(browser, name=name)
    wait_for(is_known, "the name at the top of the page")


def say(browser, text: str):
    """Type into the chat, and send with Enter."""
    field = browser.find_element(By.ID, "text")
    wait_for(lambda: field.is_displayed() and field.is_enabled(), "the composer")
    field.send_keys(text, Keys.ENTER)


def button(browser, label: str):
    """The last button that says so."""
    return wait_for(lambda: [found for found in browser.find_elements(By.TAG_NAME, "button")
                             if found.text.strip() == label and found.is_displayed()], f"a button {label}")[-1]


def new_chat(browser, service, role: str, location: str = "london"):
    """A fresh visitor of that role, at that place."""
    open_page(browser, service, "chat.html")
    browser.execute_script("sessionStorage.clear(); localStorage.clear()")
    open_page(browser, service, "chat.html")
    sign_in(browser, name="Ada", role=role, location=location)
    wait_for(lambda: "What can I do for you?" in said(browser), "the greeting")


def test_a_choice_is_a_button_and_what_does_not_fit_is_asked_again(browser, service):
    """The shuttle asks for a shift: a word that is none is told what fits, and a press on an option goes on."""
    new_chat(browser, service, "engineer", "bangalore")
    say(browser, "I want to join the shuttle to the office")
    wait_for(lambda: "Where should the shuttle pick you up?" in said(browser), "the first slot")
    say(browser, "main gate")
    button(browser, "Night")
    say(browser, "purple")
    wait_for(lambda: "I need one of: Early, Late, Night." in said(browser), "what would fit")
    button(browser, "Late").click()
    wait_for(lambda: "(pick up: main gate, shift: Late)" in said(browser), "the start")


def test_from_an_ambiguous_text_to_a_process_a_person_a_label_and_the_next_batch(browser, service, receiver, mlbot):
    asked = {}
    for role in ("sales", "engineer"):
        new_chat(browser, service, role)
        say(browser, "My card is broken since yesterday.")
        asked[role] = wait_for(lambda: [part.text for part in browser.find_elements(By.CSS_SELECTOR, "#log *")
                                        if part.text.startswith("Is it about")], "a question")[0]
    assert "card" in asked["sales"] and "badge" in asked["engineer"].lower()  # one text, two processes
    button(browser, "No").click()
    wait_for(lambda: "misunderstood" in said(browser), "an apology")
    say(browser, "the printer on my floor does not print")
    wait_for(lambda: "Which printer is it" in said(browser), "the slot")
    say(browser, "third floor, left")
    yes = button(browser, "Yes, start it")
    browser.execute_script("arguments[0].click(); arguments[0].click()", yes)  # a double click
    wait_for(lambda: "Your printer is on its way." in said(browser), "what the process says")
    sent, = receiver.got
    assert sent["slots"] == {"printer": "third floor, left"} and sent["role"] == "engineer" and sent["location"] == "london"
    thumb = [found for found in browser.find_elements(By.CSS_SELECTOR, "#log button")
             if "not helpful" in (found.get_attribute("aria-label") or found.text).lower()][-1]
    thumb.click()
    wait_for(lambda: [event for event in events(service) if event.kind == "feedback" and event.body["useful"] is False],
             "the thumb in the log")
    button(browser, "A person, please").click()
    wait_for(lambda: "I hand you over to a person" in said(browser), "the hand-over")
    chat = browser.current_window_handle
    browser.switch_to.new_window("tab")
    open_page(browser, service, "agents.html")
    sign_in(browser, name="Grace")
    case = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#waiting li button, #waiting li a"), "the case")[0]
    case.click()
    button(browser, "Take this chat").click()
    say(browser, "Hello Ada, I look after it.")
    wait_for(lambda: "Hello Ada, I look after it." in browser.find_element(By.ID, "log").text, "the answer of the agent")
    search = browser.find_element(By.CSS_SELECTOR, "#about input")
    search.send_keys("printer", Keys.ARROW_DOWN, Keys.ENTER)
    wait_for(lambda: [event for event in events(service) if event.kind == "label" and event.body["intent"] == "printer"],
             "the label in the log")
    desk = browser.current_window_handle
    browser.switch_to.window(chat)
    wait_for(lambda: "Hello Ada, I look after it." in said(browser) and "Grace" in said(browser), "the agent in the chat")
    browser.switch_to.window(desk)
    browser.close()
    browser.switch_to.window(chat)
    done = mlbot("label", "--to", "labels.csv", cwd=service.root)
    assert done.returncode == 0, done.stderr
    words = next(line for line in done.stdout.splitlines() if line.startswith("next:")).split("mlbot ")[1].split()
    assert mlbot(*words, cwd=service.root).returncode == 0
    shown = mlbot("data", "log", cwd=service.root)
    assert "labels" in shown.stdout, shown.stdout
    rows = (service.root / "labels.csv").read_text()
    assert "the printer on my floor does not print,printer,engineer,london," in rows and "Grace" not in rows


def events(service):
    """What the log of the service holds."""
    from mlbot.bot.events import EventLog
    log = EventLog(service.root / "events" / "events.db")
    found = log.read()
    log.close()
    return found


HOSTILE = "<img src=x onerror=document.title='owned'>"


def kept_groups(service, *words: str) -> list[str]:
    """Groups of five messages in the log, each about a word, as a look leaves them; their ids."""
    from mlbot.bot.events import Event, EventLog
    from mlbot.bot.proposed import LOOK
    usual = {"intent": "catering", "confidence": 0.2, "ranking": [["catering", 0.2]], "model": "m1", "request": "r"}
    log, found = EventLog(service.root / "events" / "events.db"), []
    for word in words:
        events = [Event("asked", f"r{at}", usual | {"text": f"{word} {at}"}) for at in range(6)]
        rows = [f"e{event.number}" for event in log.append(*events)]
        found.append({"id": f"{len(found):06x}", "size": 6, "share": 0.1, "low": 0.05, "high": 0.2, "words": [word],
                      "new": len(found) % 2 == 0, "nearest": "catering", "probability": 0.2, "examples": 5, "rows": rows})
    last = log.read(last=1)[-1].number
    log.append(Event(LOOK, "m1", {"messages": 60, "unanswered": 20, "through": last, "proposals": found}))
    log.close()
    return [one["id"] for one in found]


def test_a_group_is_read_and_adopted_from_the_page_and_another_is_dropped_and_opened_again(browser, service, axe):
    """At 320 px, without the mouse where a key will do; hostile text stays text, and a message that is unticked stays out."""
    from mlbot.bot.proposed import WANTED
    first, second = kept_groups(service, "xylophone", HOSTILE)
    with page_of(browser, 320, 640):
        open_page(browser, service, "intents.html")
        be_agent(browser, "Linus")
        wait_for(lambda: "xylophone 3" in said(browser) and f"{HOSTILE} 3" in said(browser), "the groups")
        assert "owned" not in browser.title and browser.execute_script(
            "return document.documentElement.scrollWidth <= window.innerWidth") and problems_of(browser, axe) == []
        browser.find_element(By.XPATH, "//button[contains(., 'Read all 6')]").click()
        wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, "fieldset input")) == 6, "all messages")
        press(browser, " ")  # the first is focused: take it out
        browser.find_element(By.TAG_NAME, "summary").click()
        browser.find_element(By.ID, f"title-{first}").send_keys("Music room")
        assert problems_of(browser, axe) == []
        browser.find_element(By.ID, f"owner-{first}").send_keys("facilities", Keys.ENTER)
        order = wait_for(lambda: [event for event in events(service) if event.kind == WANTED], "the order in the log")[0]
        assert (order.body["intent"], order.body["batch"]) == ("music_room", order.body["rows"][1:])
        wait_for(lambda: "Ordered as a new intent: Music room" in said(browser), "what was ordered")
        button(browser, "Not an intent").click()
        wait_for(lambda: len(browser.find_elements(By.XPATH, "//button[.='Take it back']")) == 2, "both decided")
        browser.find_elements(By.XPATH, "//button[.='Take it back']")[1].click()
        wait_for(lambda: button(browser, "Not an intent"), "the group open again")
        assert problems_of(browser, axe) == []


def test_hostile_text_is_shown_as_text(browser, service):
    new_chat(browser, service, "sales")
    for text in ("<img src=x onerror=document.title='owned'>", "<script>document.title='owned'</script>"):
        say(browser, text)
        wait_for(lambda text=text: text in said(browser), "the text itself")
    assert "owned" not in browser.title and not browser.find_elements(By.CSS_SELECTOR, "#log img, #log script")


@pytest.mark.parametrize("width, height, dark", [(1100, 850, False), (360, 740, True)])
def test_axe_finds_nothing_on_any_page(service, axe, width, height, dark):
    found = start_browser(width, height, *(["--blink-settings=preferredColorScheme=0"] if dark else []))
    try:
        kept_groups(service, "xylophone", "unicycle")
        for name in ("index.html", "chat.html", "agents.html", "label.html", "intents.html", "monitor.html"):
            open_page(found, service, name)
            if name == "chat.html":
                sign_in(found, name="Ada", role="sales", location="london")
                wait_for(lambda: "What can I do for you?" in said(found), "the greeting")
            elif name != "index.html":
                be_agent(found, "Grace")
            time.sleep(0.5)
            assert problems_of(found, axe) == [], name
            if dark and name in ("label.html", "monitor.html"):  # the same in German, down to what labels and alerts say
                found.get(f"{service.url}/web/{name}?language=de")
                wait_for(lambda: found.find_element(By.CSS_SELECTOR, "#work:not([hidden]), #board:not([hidden])"), "the page")
                body, html = said(found), found.find_element(By.TAG_NAME, "html")
                asked = "Was möchte diese Person?" if name == "label.html" else "Was hat der Bot an jedem Tag"
                assert html.get_attribute("lang") == "de" and asked in body and "Abmelden" in body
                assert not re.search(r"by you|right in scope|figures since|too far|NaN|undefined|\{\w+\}", body), body
                assert problems_of(found, axe) == [], name
                found.execute_script("sessionStorage.removeItem('mlbot.language')")
            assert found.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), name
    finally:
        found.quit()


def test_a_message_is_labelled_from_the_keyboard_alone(browser, service):
    for number in range(3):
        service.client.post("/v1/predict", json={"text": f"something is wrong with my laptop number {number}"})
    open_page(browser, service, "label.html")
    be_agent(browser, "Linus")
    before = len([event for event in events(service) if event.kind == "label"])
    wait_for(lambda: browser.find_element(By.ID, "text").text, "a message")
    press(browser, "1")
    wait_for(lambda: len([event for event in events(service) if event.kind == "label"]) == before + 1, "the label in the log")
    press(browser, "u")
    wait_for(lambda: [event for event in events(service) if event.kind == "label.undone"], "the label taken back")


def test_the_chat_works_without_a_mouse_and_survives_that_the_service_is_away(service):
    found = start_browser()
    try:
        new_chat(found, service, "sales")
        found.execute_cdp_cmd("Network.enable", {})
        found.execute_cdp_cmd("Network.emulateNetworkConditions",
                              {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0})
        say(found, "where can I see my payslip")
        wait_for(lambda: found.find_element(By.ID, "trouble").text, "a banner")
        found.execute_cdp_cmd("Network.emulateNetworkConditions",
                              {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
        wait_for(lambda: "payslip" in found.find_element(By.ID, "log").text.lower() and not
                 found.find_element(By.ID, "trouble").text, "the answer", 25)
    finally:
        found.quit()


def ended_story(browser, service, name: str):
    """A story played to its end: without motion it goes on when it is told to, here from the keyboard."""
    open_page(browser, service, f"chat.html?story={name}")
    wait_for(lambda: browser.find_element(By.ID, "story-next").is_displayed(), "the story")
    assert browser.find_element(By.ID, "story-pause").text == "Play"  # nothing moves by itself

    def is_over() -> bool:
        """Whether it has come to its end; else its next message is asked for."""
        if browser.find_element(By.ID, "story-links").is_displayed():
            return True
        browser.find_element(By.ID, "story-next").send_keys(Keys.ENTER)
        return False
    wait_for(is_over, "the end of the story", 60)


@pytest.fixture(scope="module")
def calm_browser():
    """A browser of somebody who wants nothing to move."""
    found = start_browser(1100, 850, "--force-prefers-reduced-motion")
    yield found
    found.quit()


def test_a_story_plays_in_the_chat_and_ends_with_a_card_of_what_was_started(calm_browser, service):
    browser = calm_browser
    open_page(browser, service, "index.html")
    stories = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#story-list a"), "the stories")
    assert len(stories) == 3 and "story=room" in stories[0].get_attribute("href")
    ended_story(browser, service, "room")
    shown(browser, "#card-list .recorded", "Mittwoch", "15:00 Uhr", "12", "aufgenommen")  # in the story's language
    assert "story" not in browser.current_url  # loading the page again goes on, instead of beginning again
    browser.refresh()
    wait_for(lambda: "Mittwoch" in browser.find_element(By.ID, "card-list").text, "the same chat")


def test_the_handed_over_story_is_summed_up_at_the_desk_and_answered_with_a_key(calm_browser, service):
    browser = calm_browser
    ended_story(browser, service, "person")
    assert browser.find_element(By.ID, "story-desk").is_displayed()
    open_page(browser, service, "agents.html?language=de")
    browser.execute_script("sessionStorage.removeItem('mlbot.agent')")
    open_page(browser, service, "agents.html")
    sign_in(browser, name="Grace")
    case = wait_for(lambda: [one for one in browser.find_elements(By.CSS_SELECTOR, "#waiting button")
                             if "It is urgent" in one.text], "the case")[0]
    case.click()
    shown(browser, "#understood", "Company card: block or dispute", "4421")
    shown(browser, "#facts", "hat nach einem Menschen gefragt")  # in the agent's language
    button(browser, "Diesen Chat übernehmen").click()
    field = wait_for(lambda: (box := browser.find_element(By.ID, "text")).is_displayed() and box, "the composer")
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#canned-list button"), "the canned answers")
    field.send_keys(Keys.ALT, "1")
    assert field.get_attribute("value").startswith("Hello, this is Grace.")  # in the person's language
    field.send_keys(Keys.NULL, Keys.ENTER)
    wait_for(lambda: "Hello, this is Grace." in browser.find_element(By.ID, "log").text, "the answer")
    browser.execute_script("sessionStorage.clear()")


def test_the_page_speaks_the_language_that_is_picked_and_the_bot_greets_in_it(browser, service):
    open_page(browser, service, "chat.html")
    browser.execute_script("sessionStorage.clear()")
    open_page(browser, service, "chat.html")
    wait_for(lambda: browser.find_element(By.CSS_SELECTOR, "#language a[lang=es]"), "the languages").click()
    wait_for(lambda: browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "es", "the page in Spanish")
    sign_in(browser, name="Ada", role="sales", location="london")
    wait_for(lambda: "¿Qué puedo hacer por ti?" in said(browser), "the greeting")
    assert browser.find_element(By.ID, "send").text == "Enviar"
    assert browser.find_element(By.CSS_SELECTOR, "#language a[aria-current]").get_attribute("lang") == "es"
    browser.execute_script("sessionStorage.clear()")


def test_a_card_shows_what_is_known_and_takes_the_request_back(browser, service, receiver):
    new_chat(browser, service, "engineer")
    say(browser, "the printer on my floor does not print")
    shown(browser, "#card-list .asking", "being filled in", "asked now")
    say(browser, "second floor, left")
    button(browser, "Yes, start it").click()
    wait_for(lambda: "Your printer is on its way." in said(browser), "what the process says")
    shown(browser, "#card-list .accepted", "second floor, left")
    button(browser, "Cancel this request").send_keys(Keys.ENTER)
    button(browser, "Yes, cancel it").click()
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#card-list .cancelled"), "the cancelled card")
    assert receiver.got[-1]["cancels"] and not browser.find_elements(By.CSS_SELECTOR, "#card-list button")


@pytest.mark.parametrize("width, height", [(320, 640), (320, 256), (640, 512)])
def test_a_busy_chat_and_a_busy_desk_fit_a_narrow_page_and_a_page_at_200_percent(calm_browser, service, axe, width, height):
    """320 px is a page of 1280 px at 400 %, and 640 px one at 200 %."""
    browser = calm_browser
    with page_of(browser, width, height):
        new_chat(browser, service, "engineer")
        say(browser, "the printer on my floor does not print")
        wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#card-list .asking"), "the card")
        browser.execute_script("document.getElementById('cards').open = true")
        shown(browser, "#card-list .asking", "asked now")
        assert problems_of(browser, axe) == []
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        say(browser, "a person please")
        open_page(browser, service, "agents.html")
        sign_in(browser, name="Grace")
        wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#waiting button"), "a case")[0].click()
        wait_for(lambda: browser.find_element(By.ID, "understood").text, "the summary")
        assert problems_of(browser, axe) == []
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    browser.execute_script("sessionStorage.clear()")


def test_the_pictures_of_the_docs_are_taken_of_the_pages_as_they_are(service, green_run, tmp_path, root_path):
    """Also the one that moves in the README: the command, what it prints, the report, and a story up to its end."""
    import importlib.util
    image = pytest.importorskip("PIL.Image", reason="Pillow makes the pictures small")
    start_browser().quit()  # skips where there is no browser
    spec = importlib.util.spec_from_file_location("benchmark_pages", root_path / "benchmarks" / "pages.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    kept_groups(service, "xylophone")  # or it would look for groups first, which takes seconds
    printed = "mlbot run now: sample\n  1_prepare    ok\nnot shown\naccuracy 0.9\nreport: r\n"
    made = pages.take_pictures(service.url, tmp_path, printed, next(green_run.glob("runs/*/report.html")))
    kept = [*sorted((root_path / "nbs" / "images").glob("page-*.png")), root_path / "nbs" / "images" / "tour.gif"]
    assert sorted(file.name for file in made) == [file.name for file in kept]
    assert all(2_000 < file.stat().st_size < 80_000 for file in [*made, *kept] if file.suffix == ".png")
    for file in (made[2], kept[-1]):
        with image.open(file) as moving:
            assert (moving.n_frames, moving.size, file.stat().st_size < 200_000) == (6, (1000, 560), True), file
    assert "](nbs/images/tour.gif)" in (root_path / "README.md").read_text()
