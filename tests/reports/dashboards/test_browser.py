"""Dashboards in a real browser."""

import json
from pathlib import Path
from typing import Any

import pytest

from runs.directory import RunDirectory
from tests.reports.browser import Browser
from tests.reports.test_browser import OVERLAPS

pytestmark = pytest.mark.real

SIZES = [(1400, False), (1400, True), (800, False), (800, True), (500, False), (500, True)]
OPEN = """const done = arguments[1];
dashcam.boards.open(arguments[0]).then((board) => {
  board.element.querySelectorAll('.row-head button[aria-expanded=false]').forEach((one) => one.click());
  board.drawAll();
  requestAnimationFrame(() => requestAnimationFrame(() => done(board.drawn.size)));
})"""
SPILLS = """return Array.from(document.querySelectorAll('.board:not([hidden]) .panel')).filter((box) => {
  const outer = box.getBoundingClientRect();
  const scrolled = '.legend-box *, .table-scroll *, .prose *, .u-over, .u-over *, .gauges *, .bars *,' +
    'details:not([open]) *';
  return Array.from(box.querySelectorAll('*')).some((one) => {
    const inner = one.getBoundingClientRect();
    const out = inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
    return inner.width > 0 && !one.matches(scrolled) && out;
  });
}).map((one) => one.dataset.title)"""
PANEL = """const panel = Array.from(document.querySelectorAll('.board:not([hidden]) .panel'))
  .find((one) => one.dataset.title === arguments[0]);"""


def opened(browser: Browser, page: Path, board: int = 0, width: int = 1400, *, dark: bool = False) -> int:
    """Open a dashboard with all its rows and draw it; returns how many panels were drawn."""
    browser.open(page, width, dark=dark)
    many: int = browser.driver.execute_async_script(OPEN, board)  # type: ignore[no-untyped-call]
    return many


@pytest.mark.parametrize(("width", "dark"), SIZES)
def test_every_kind_is_drawn_at_any_width(boarded: RunDirectory, browser: Browser, width: int, dark: bool) -> None:
    """Nothing overlaps, spills or scrolls sideways; every canvas has ink; the console is silent."""
    assert opened(browser, boarded.report, 0, width, dark=dark) == 18
    assert browser.run(OVERLAPS, ".board:not([hidden]) .panel") == []
    assert browser.run(SPILLS) == []
    assert browser.run("return document.documentElement.scrollWidth") == width
    ink = browser.run("""return Array.from(document.querySelectorAll('.board:not([hidden]) canvas'), (canvas) => {
      const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const found = new Set();
      for (let i = 0; i < pixels.length; i += 4) {
        if (pixels[i + 3] > 200) found.add(pixels[i] * 65536 + pixels[i + 1] * 256 + pixels[i + 2]);
      }
      return found.size;
    })""")
    assert len(ink) == 10
    assert min(ink) > 4
    lefts = """return new Set(Array.from(document.querySelectorAll('.board:not([hidden]) .kind-timeseries'),
      (one) => one.offsetLeft)).size"""
    assert browser.run(lefts) == {1400: 4, 800: 2, 500: 1}[width]
    assert browser.complaints() == []


def test_words_of_figures_can_be_read(boarded: RunDirectory, browser: Browser) -> None:
    """Whatever colour a threshold has, its figure stands out from the card, in light and dark."""
    ratio = """const light = (one) => one.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
      .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
    return Array.from(document.querySelectorAll('.stat-value, .bar-value, .values td'), (one) => {
      let back = one;
      while (getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)') back = back.parentElement;
      if (getComputedStyle(back).backgroundColor.includes('0.')) return 21;
      const [a, b] = [light(getComputedStyle(one).color), light(getComputedStyle(back).backgroundColor)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    })"""
    for dark in (False, True):
        opened(browser, boarded.report, dark=dark)
        found = browser.run(ratio)
        assert len(found) > 20
        assert min(found) > 4.4


def test_panels_are_drawn_when_they_come_into_view(boarded: RunDirectory, browser: Browser) -> None:
    """What is far below, in a closed row or on another tab is not drawn before it is seen."""
    browser.open(boarded.report)
    browser.driver.execute_async_script("dashcam.boards.open(0).then(arguments[0])")  # type: ignore[no-untyped-call]
    browser.settle()
    first = browser.run("return dashcam.boards.ready()[0].drawn.size")
    assert first < 18
    assert browser.run("return dashcam.boards.ready().length") == 1
    browser.run("Array.from(document.querySelectorAll('.row-head button')).pop().click()")
    browser.run("Array.from(document.querySelectorAll('.board:not([hidden]) .panel')).pop().scrollIntoView()")
    wait = """const done = arguments[1]; const title = arguments[0]; const look = () =>
      Array.from(dashcam.boards.ready()[0].drawn.keys()).some((one) => one.dataset.title === title)
        ? done(true) : requestAnimationFrame(look);
      look();"""
    assert browser.driver.execute_async_script(wait, "Many")  # type: ignore[no-untyped-call]


def test_tabs_by_click_and_keyboard(boarded: RunDirectory, browser: Browser) -> None:
    """One dashboard is shown; arrows move between tabs."""
    browser.open(boarded.report)
    shown = """return Array.from(document.querySelectorAll('.board')).flatMap((one, at) => one.hidden ? [] : [at])"""
    selected = """return Array.from(document.querySelectorAll('[role=tab]'))
      .flatMap((one, at) => one.getAttribute('aria-selected') === 'true' ? [at] : [])"""
    assert browser.run(shown) == [0]
    press = """document.querySelector('[role=tab][aria-selected=true]')
      .dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0]}))"""
    browser.run(press, "ArrowRight")
    assert browser.run(shown) == browser.run(selected) == [1]
    browser.run(press, "ArrowLeft")
    browser.run(press, "ArrowLeft")
    assert browser.run(shown) == browser.run(selected) == [4]
    browser.run(press, "ArrowRight")
    assert browser.run(shown) == [0]


def test_zoom_and_cursor_are_shared_with_the_charts(boarded: RunDirectory, browser: Browser) -> None:
    """A zoom in the page's own charts is that of the dashboards, drawn before or later; so is the cursor."""
    opened(browser, boarded.report)
    browser.run(
        "const one = dashcam.plots()[0]; one.setScale('x', {min: dashcam.full.min + 10, max: dashcam.full.min + 20})"
    )
    browser.settle()
    ranges = "return dashcam.plots().concat(dashcam.guests()).map((one) => [one.scales.x.min, one.scales.x.max])"
    assert len({tuple(one) for one in browser.run(ranges)}) == 1
    browser.driver.execute_async_script(OPEN, 1)  # type: ignore[no-untyped-call]
    assert len({tuple(one) for one in browser.run(ranges)}) == 1
    assert browser.run("return dashcam.guests().length") == 13
    browser.run("document.getElementById('reset').click()")
    browser.settle()
    assert {tuple(one) for one in browser.run(ranges)} == {
        tuple(browser.run("return [dashcam.full.min, dashcam.full.max]"))
    }
    opened(browser, boarded.report)
    key = PANEL + "panel.querySelector('.canvas').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))"
    for _ in range(15):
        browser.run(key, "Two axes, log, area")
    browser.settle()
    read = PANEL + "return Array.from(panel.querySelectorAll('.now:not(th)'), (one) => one.textContent)"
    assert all(browser.run(read, "Log scale exporter + llm + load + node"))
    assert "UTC" in browser.run("return document.getElementById('cursor').textContent")


def test_figures_are_written_with_their_units(boarded: RunDirectory, browser: Browser) -> None:
    """The same text that a reader of Grafana expects: unit, decimals, mapping."""
    opened(browser, boarded.report)
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (0.0123, {"u": "s"}, "12.3 ms"),
        (90, {"u": "s"}, "1.5 min"),
        (1500, {"u": "ms"}, "1.5 s"),
        (1536, {"u": "bytes"}, "1.5 KiB"),
        (1500, {"u": "decbytes"}, "1.5 kB"),
        (2.5e6, {"u": "Bps"}, "2.5 MB/s"),
        (0.1234, {"u": "percentunit"}, "12.3 %"),
        (12.34, {"u": "percent", "d": 0}, "12 %"),
        (1234567, {"u": "short"}, "1.23 M"),
        (1234567, {"u": "none"}, "1,234,567"),
        (1234.5, {"u": "reqps"}, "1.23 k req/s"),
        (250, {"u": "watt"}, "250 W"),
        (71.25, {"u": "celsius"}, "71.3 °C"),
        (1.41e9, {"u": "hertz"}, "1.41 GHz"),
        (17, {"u": "tokens"}, "17 tokens"),
        (3, {"u": "suffix: cores"}, "3 cores"),
        (1, {"u": "bool_yes_no"}, "Yes"),
        (93784, {"u": "dtdurations"}, "1 d 2 h 3 min"),
        (1772366400000, {"u": "dateTimeAsIso"}, "2026-03-01 12:00:00"),
        (0, {"u": "s"}, "0 s"),
        (None, {"n": "nothing"}, "nothing"),
        (None, {}, "-"),
        (2, {"m": [["r", [1, 3], "some", None]]}, "some"),
        ("abc", {"m": [["x", "/^a/", "A", None]]}, "A"),
        (0.5, {"u": "s", "d": 2}, "500.00 ms"),
        (2, {"u": "si:MW"}, "2 MW"),
        (1500, {"u": "si:mF"}, "1.5 F"),
        (3, {"u": "prefix:~"}, "~3"),
        (0, {"u": "bool:open/shut"}, "shut"),
        (255, {"u": "hex0x"}, "0xFF"),
        (2, {"u": "KiBs"}, "2 KiB/s"),
        (2, {"u": "Mbits"}, "2 Mb/s"),
        (1500, {"u": "tflops"}, "1,500 TFLOP/s"),
        (5, {"u": "currencyGBP"}, "£5"),
        (12345, {"u": "sci"}, "1.23e+4"),
    ]
    found = browser.run(
        "return arguments[0].map(([value, field]) => dashcam.units.text(value, field))", [c[:2] for c in cases]
    )
    assert found == [case[2] for case in cases]


def test_legend_hides_a_series_and_a_table_sorts(boarded: RunDirectory, browser: Browser) -> None:
    """By a click on a name, and on a heading."""
    opened(browser, boarded.report)
    browser.run(PANEL + "panel.querySelector('.legend .name').click()", "Two axes, log, area")
    shown = "return dashcam.guests().find((one) => one.series[1].label === 'p99').series.map((one) => one.show)"
    assert browser.run(shown)[1:] == [False, True]
    column = PANEL + "return Array.from(panel.querySelectorAll('tbody tr'), (row) => row.cells[0].textContent)"
    click = PANEL + "panel.querySelector('thead button').click()"
    browser.run(click, "Scrapes")
    rising = browser.run(column, "Scrapes")
    browser.run(click, "Scrapes")
    assert rising == sorted(rising)
    assert browser.run(column, "Scrapes") == sorted(rising, reverse=True)


def test_hostile_dashboard_does_nothing(boarded: RunDirectory, browser: Browser) -> None:
    """Markup in titles, legends, units, mappings, texts and variables is shown as text; no script of theirs runs."""
    assert opened(browser, boarded.report, 1) == 13
    state = "return [window.evil, document.images.length, document.querySelectorAll('script:not([type])').length]"
    assert browser.run(state) == [None, 0, 1]
    assert "window.evil=1" in browser.run(
        "return document.querySelector('.board:not([hidden]) .panel:last-child h4').textContent"
    )
    links = "return Array.from(document.querySelectorAll('.board:not([hidden]) a'), (one) => one.protocol)"
    assert browser.run(links) == []
    assert browser.complaints() == []


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize(("width", "dark"), [(1400, False), (500, True)])
def test_exports_are_drawn(boarded: RunDirectory, browser: Browser, number: int, width: int, dark: bool) -> None:
    """No panel fails, is blank, spills or overlaps; the page asks for nothing but itself."""
    assert opened(browser, boarded.report, number, width, dark=dark) > 4
    assert browser.run(OVERLAPS, ".board:not([hidden]) .panel") == []
    assert browser.run(SPILLS) == []
    assert browser.run("return document.documentElement.scrollWidth") == width
    blank = """return Array.from(document.querySelectorAll('.board:not([hidden]) .panel'))
      .filter((one) => !one.querySelector('canvas') && !one.querySelector('.panel-body').textContent.trim())
      .map((one) => one.dataset.title)"""
    assert browser.run(blank) == []
    assert "this page failed" not in browser.run("return document.querySelector('.board:not([hidden])').textContent")
    assert browser.complaints() == []
    log = [json.loads(entry["message"])["message"] for entry in browser.driver.get_log("performance")]
    asked = {one["params"]["request"]["url"] for one in log if one["method"] == "Network.requestWillBeSent"}
    assert asked == {boarded.report.resolve().as_uri()}


def test_printing_draws_all_of_the_dashboard(boarded: RunDirectory, browser: Browser) -> None:
    """Before the printer asks, panels that were never in view are drawn."""
    browser.open(boarded.report)
    browser.driver.execute_async_script("dashcam.boards.open(0).then(arguments[0])")  # type: ignore[no-untyped-call]
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return dashcam.boards.ready()[0].drawn.size") == 16


def test_page_follows_the_window(boarded: RunDirectory, browser: Browser) -> None:
    """Plots of dashboards are as wide as their boxes after a resize."""
    opened(browser, boarded.report, 0, 1400)
    metrics = {"width": 700, "height": 900, "deviceScaleFactor": 2, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.settle()
    browser.settle()
    both = "return dashcam.guests().map((one) => [one.width, one.root.parentElement.clientWidth])"
    assert all(a == b for a, b in browser.run(both))
    assert browser.run("return document.documentElement.scrollWidth") == 700
