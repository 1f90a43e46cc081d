"""The report in a real browser, from a file: its search finds wrong answers, and it fits a telephone."""

import pytest
from browsing import start_browser
from test_report import NASTY, render, write_run

selenium = pytest.importorskip("selenium", reason="selenium drives the browser")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def browser():
    found = start_browser()
    yield found
    found.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A report of 300 messages, a third of them wrong."""
    folder = tmp_path_factory.mktemp("runs") / "2026-11-30_090000"
    texts = [NASTY, *("Défaut de l'imprimante" if at == 2 else f"message {at} about thing {at}" for at in range(299))]
    render(folder, write_run(folder, texts))
    return (folder / "report.html").as_uri()


@pytest.fixture
def page(browser, address):
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.get(address)
    return browser


def listed(page) -> list[str]:
    """The messages that the table shows."""
    return page.execute_script("return [...document.querySelectorAll('#answers tbody tr')].filter((row) => !row.hidden)"
                               ".map((row) => row.cells[0].textContent)")


def test_the_search_finds_words_without_accents_and_says_how_many(page):
    assert len(listed(page)) == 50 and page.find_element(By.ID, "count").text == "50 of 100 shown"
    query = page.find_element(By.ID, "query")
    query.send_keys("IMPRIMANTE defaut")
    assert listed(page) == ["Défaut de l'imprimante"] and page.find_element(By.ID, "count").text == "1 of 1 shown"
    query.send_keys(" nowhere")
    assert listed(page) == [] and page.find_element(By.ID, "count").text == "Nothing found"
    page.find_element(By.CSS_SELECTOR, "#find button[type=reset]").click()
    page.find_element(By.ID, "more").send_keys(Keys.ENTER)
    assert len(listed(page)) == 100 and not page.find_element(By.ID, "more").is_displayed()


def test_a_link_of_an_intent_leads_to_its_wrong_answers(page):
    page.execute_script("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    link = page.find_element(By.CSS_SELECTOR, "a[data-intent=intent_3]")
    link.send_keys(Keys.ENTER)
    rows = page.execute_script("return [...document.querySelectorAll('#answers tbody tr')].filter((row) => !row.hidden)"
                               ".map((row) => row.cells[1].textContent + ' ' + row.cells[2].textContent)")
    assert 0 < len(rows) < 50 and all("intent_3" in row for row in rows)
    assert page.current_url.endswith("#wrong")


def test_without_javascript_the_table_is_whole(page, address):
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    page.get(address)
    assert len(page.find_elements(By.CSS_SELECTOR, "#answers tbody tr:not([hidden])")) == 100
    assert not page.find_element(By.ID, "find").is_displayed()


@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_never_scrolls_sideways(page, width):
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                         {"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": False})
    page.execute_script("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_browser_finds_nothing_to_block(page):
    """No script or style of the page breaks its own policy, and what is hostile did not run."""
    assert [line for line in page.get_log("browser") if "Content Security Policy" in line["message"]] == []
    assert page.execute_script("return document.querySelectorAll('script').length") == 1
