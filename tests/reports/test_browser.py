"""The report in a real browser: drawn, linked, in place."""

from pathlib import Path
from typing import Any

import pytest

from reports import build
from runs.directory import RunDirectory
from tests.reports import recording as made
from tests.reports.browser import Browser

pytestmark = pytest.mark.real

SIZES = [(1400, False), (1400, True), (800, False), (800, True), (390, False)]
RANGES = "return dashcam.plots().map((one) => [one.scales.x.min, one.scales.x.max])"
LEGENDS = """return dashcam.plots().map((one) =>
  Array.from(one.root.querySelectorAll('.u-series:not(:first-child) .u-value'), (cell) => cell.textContent))"""
INK = """return dashcam.plots().map((one) => {
  const canvas = one.root.querySelector('canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] > 200) colours.add(pixels[i] + ',' + pixels[i + 1] + ',' + pixels[i + 2]);
  }
  return colours.size;
})"""
OVERLAPS = """
const boxes = Array.from(document.querySelectorAll(arguments[0]), (one) => one.getBoundingClientRect());
let found = [];
boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (wide > 1 && high > 1) found.push([i, i + 1 + j]);
}));
return found"""
SPILLS = """return Array.from(document.querySelectorAll('.card, .tiles > div, .findings li, .ending')).filter((box) => {
  const outer = box.getBoundingClientRect();
  return Array.from(box.querySelectorAll('*')).some((one) => {
    const inner = one.getBoundingClientRect();
    const hidden = one.closest('.u-over') || one.closest('details:not([open]) > :not(summary)');
    return inner.width > 0 && !hidden && (inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1);
  });
}).map((one) => one.textContent.slice(0, 60))"""


def centre(browser: Browser, number: int) -> dict[str, float]:
    """Bring a chart to the middle of the window; returns the place of its plotting area."""
    place: dict[str, float] = browser.run(
        "const over = dashcam.plots()[arguments[0]].over; over.scrollIntoView({block: 'center'});"
        "const box = over.getBoundingClientRect();"
        "return {left: box.left, top: box.top, width: box.width, height: box.height}",
        number,
    )
    return place


@pytest.mark.parametrize(("width", "dark"), SIZES)
@pytest.mark.parametrize("kind", ["clean", "broken", "watched"])
def test_page_is_whole(request: pytest.FixtureRequest, browser: Browser, kind: str, width: int, dark: bool) -> None:
    """Charts are drawn, nothing overlaps, spills or scrolls sideways, and the console is silent."""
    run: RunDirectory = request.getfixturevalue(kind)
    page = browser.open(run.report, width, dark=dark)
    ink = page.run(INK)
    assert len(ink) == 6
    assert min(ink) > 4
    for selector in (".card", ".tiles > div", ".findings li", "section, .banner, .bar"):
        assert page.run(OVERLAPS, selector) == [], selector
    assert page.run(SPILLS) == []
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.run(SPILLS) == []
    assert page.run(OVERLAPS, ".card") == []
    assert page.run("return document.documentElement.scrollWidth") == width
    columns = page.run("return new Set(Array.from(document.querySelectorAll('.card'), (c) => c.offsetLeft)).size")
    assert columns == (2 if width == 1400 else 1)
    assert page.complaints() == []


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (500, False), (500, True)])
def test_sources_are_read_at_any_width(watched: RunDirectory, browser: Browser, width: int, dark: bool) -> None:
    """Wide, a table of eight columns; narrow, a block a source with words beside its figures; nothing is cut."""
    page = browser.open(watched.report, width, dark=dark)
    cut = page.run(
        "const box = document.querySelector('.sources').parentElement;"
        "return [box.scrollWidth - box.clientWidth, document.documentElement.scrollWidth]"
    )
    assert cut == [0, width]
    rows = page.run("return Array.from(document.querySelectorAll('.sources tbody tr'), (row) => row.innerText)")
    assert "bgwriter" in rows[0]
    assert "down" in rows[0]
    assert len(rows) < 25
    assert page.run(OVERLAPS, ".sources tbody tr") == []
    ratio = """const rgb = (one, name) => getComputedStyle(one)[name].match(/[\\d.]+/g).slice(0, 3)
      .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const light = (parts) => 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    const page = light(rgb(document.querySelector('.sources').parentElement, 'backgroundColor'));
    return Array.from(document.querySelectorAll('.sources td'), (cell) => {
      const ink = light(rgb(cell, 'color'));
      return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
    })"""
    assert min(page.run(ratio)) > 4.5


def test_page_asks_nothing_of_a_network(clean: RunDirectory, browser: Browser) -> None:
    """Opening the page and using it makes no request but for the file itself."""
    page = browser.open(clean.report)
    page.run("dashcam.plots()[0].setCursor({left: 100, top: 50})")
    asked = [entry["message"] for entry in page.driver.get_log("performance")]
    urls = [text.split('"url":"')[1].split('"')[0] for text in asked if 'Network.requestWillBeSent"' in text]
    assert [url for url in urls if not url.startswith(("file:", "data:"))] == []
    assert any(url.startswith("file:") for url in urls)


@pytest.mark.parametrize("width", [1400, 800])
def test_hover_is_read_in_all_charts(clean: RunDirectory, browser: Browser, width: int) -> None:
    """The pointer over one chart shows values in each chart's legend, and the moment in the bar."""
    page = browser.open(clean.report, width)
    assert not any(any(values) for values in page.run(LEGENDS))
    place = centre(page, 3)
    page.mouse("mouseMoved", place["left"] + place["width"] * 0.6, place["top"] + place["height"] / 2)
    page.settle()
    legends = page.run(LEGENDS)
    assert all(any(values) for values in legends)
    moment = page.run("return document.getElementById('cursor').textContent")
    assert moment.startswith("12:00:")
    assert moment.endswith("into steady")


@pytest.mark.parametrize("width", [1400, 800])
def test_zoom_is_of_all_charts(clean: RunDirectory, browser: Browser, width: int) -> None:
    """A drag in one chart zooms all; a double click, or the button, shows the whole run again."""
    page = browser.open(clean.report, width)
    full = page.run(RANGES)
    assert len({tuple(one) for one in full}) == 1
    drag(page, 2)
    zoomed = page.run(RANGES)
    assert len({tuple(one) for one in zoomed}) == 1
    assert full[0][0] + 5 < zoomed[0][0] < zoomed[0][1] < full[0][1] - 5
    place = centre(page, 4)
    x, y = place["left"] + 40, place["top"] + 40
    for clicks in (1, 2):
        page.mouse("mousePressed", x, y, clicks=clicks)
        page.mouse("mouseReleased", x, y, clicks=clicks)
    page.settle()
    assert page.run(RANGES) == full
    drag(page, 5)
    assert page.run(RANGES) != full
    page.run("document.getElementById('reset').click()")
    page.settle()
    assert page.run(RANGES) == full
    assert page.complaints() == []


def drag(page: Browser, number: int) -> None:
    """Drag over the middle third of a chart."""
    place = centre(page, number)
    y = place["top"] + place["height"] / 2
    page.mouse("mouseMoved", place["left"] + place["width"] * 0.33, y)
    page.mouse("mousePressed", place["left"] + place["width"] * 0.33, y, clicks=1)
    page.mouse("mouseMoved", place["left"] + place["width"] * 0.5, y, clicks=1)
    page.mouse("mouseMoved", place["left"] + place["width"] * 0.66, y, clicks=1)
    page.mouse("mouseReleased", place["left"] + place["width"] * 0.66, y, clicks=1)
    page.settle()


def test_keyboard_reads_and_zooms(clean: RunDirectory, browser: Browser) -> None:
    """Arrow keys move the cursor in all charts, plus zooms, Escape resets."""
    page = browser.open(clean.report)
    full = page.run(RANGES)
    press = "document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0]}))"
    for _ in range(15):
        page.run(press, "ArrowRight")
    page.settle()
    assert all(any(values) for values in page.run(LEGENDS))
    page.run(press, "+")
    page.settle()
    assert page.run(RANGES) != full
    page.run(press, "Escape")
    page.settle()
    assert page.run(RANGES) == full


def test_gap_is_a_gap(broken: RunDirectory, browser: Browser) -> None:
    """Where no request was due a curve of the records has no value."""
    page = browser.open(broken.report)
    found: dict[str, Any] = page.run(
        "const plot = dashcam.plots().find((one) => one.root.parentElement.getAttribute('aria-label')"
        ".startsWith('Latency')); return {times: plot.data[0], values: plot.data[1]}"
    )
    last = found["times"][-1]
    assert [v for t, v in zip(found["times"], found["values"], strict=True) if t > last - 1.0] == [None]
    assert sum(v is None for v in found["values"]) >= 2


def test_dark_is_dark(clean: RunDirectory, browser: Browser) -> None:
    """The page follows the reader's colour scheme, charts included."""
    colour = "return getComputedStyle(document.body).backgroundColor"
    line = "return dashcam.plots()[0].series[1].stroke()"
    light = browser.open(clean.report).run(colour), browser.run(line)
    dark = browser.open(clean.report, dark=True).run(colour), browser.run(line)
    assert light[0] == "rgb(245, 247, 249)"
    assert dark[0] == "rgb(17, 22, 27)"
    assert light[1] != dark[1]


def test_hostile_words_do_nothing(browser: Browser, tmp_path: Path) -> None:
    """Markup in labels, notes, reasons and the recipe is shown as text; no script of theirs runs."""
    evil = "</script><script>window.evil=1</script><img src=x onerror='window.evil=2'><!--<script>"
    changes = {"notes": [evil], "reason": evil, "ending": "failed", "versions": {evil: evil}}
    recording = made.Recording(made.llm_rows(), made.llm_curves(service=evil), changes, recipe_text=evil)
    run = recording.write(tmp_path / "recordings")
    build.build(run, tmp_path / "scratch")
    page = browser.open(run.report)
    assert page.run("return [window.evil, document.images.length, document.scripts.length]") == [None, 0, 2]
    assert page.run("return document.querySelector('.notes li').textContent") == evil
    assert page.complaints() == []


def test_window_may_change_its_size(clean: RunDirectory, browser: Browser) -> None:
    """Charts follow the width of the window."""
    wide = browser.open(clean.report, 1400).run("return dashcam.plots().map((one) => one.width)")
    metrics = {"width": 700, "height": 900, "deviceScaleFactor": 2, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.settle()
    narrow = browser.run("return dashcam.plots().map((one) => one.width)")
    boxes = browser.run("return dashcam.plots().map((one) => one.root.parentElement.clientWidth)")
    assert narrow == boxes != wide
    assert browser.run("return document.documentElement.scrollWidth") == 700
