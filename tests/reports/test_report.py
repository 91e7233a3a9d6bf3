"""The report of a made-up recording: built, safe, and read in a real browser."""

import json
import re

import pytest

from reports import build
from runs.directory import RunDirectory
from tests.reports.recording import Recording

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> & \"'"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One recording with its report."""
    place = tmp_path_factory.mktemp("report")
    recording = Recording(place, objectives={"latency_p95": 0.5})
    recording.manifest.notes = ["the model's weights are random"]
    run = recording.write()
    judged = build.build(run, place / "scratch")
    return run, judged


@pytest.mark.real
def test_built_from_blocks_and_records(made):
    """A clean recording is VALID; its summary has the figures of the records."""
    run, judged = made
    assert judged.valid, judged.findings
    summary = json.loads(run.summary.read_text())
    assert summary["measured"]["requests"] == summary["measured"]["succeeded"] > 500
    assert summary["measured"]["latency_seconds"]["p50"]["value"] == pytest.approx(0.05, rel=0.1)
    assert summary["objectives"] == [
        {"name": "latency_p95", "bound": 0.5, "value": pytest.approx(0.08, rel=0.2), "state": "met"}
    ]
    assert [item["up_ratio"] for item in summary["coverage"]] == [1.0, 1.0, 1.0]


@pytest.mark.real
def test_report_needs_no_network(made):
    """No element of the page loads anything, and its policy forbids it."""
    text = made[0].report.read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(?!data:)[a-z/]", text)
    assert len(text) < 300_000


@pytest.mark.real
def test_gap_is_found(tmp_path):
    """Ten seconds without a scrape of the service are found in the blocks, and INVALID."""
    recording = Recording(tmp_path)
    recording.gaps["llm"] = (15, 25)
    judged = build.build(recording.write(), tmp_path / "scratch")
    assert {finding.rule for finding in judged.findings} == {"targets_up"}
    assert judged.findings[0].evidence["gap_seconds"] == pytest.approx(11, abs=1.1)


@pytest.mark.real
def test_hostile_words_stay_words(tmp_path):
    """Recipe, names, notes and reasons cannot become markup or script."""
    recording = Recording(tmp_path)
    recording.manifest.notes = [HOSTILE]
    recording.manifest.reason = HOSTILE
    recording.manifest.ending = "failed"
    recording.manifest.phases[1].name = "steady"
    recording.manifest.processes[0].command = [HOSTILE]
    run = recording.write()
    run.recipe.write_text(HOSTILE)
    build.build(run, tmp_path / "scratch")
    text = run.report.read_text()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert text.count("<script") == 2


@pytest.mark.parametrize("missing", ["blocks", "records", "phases", "all"])
@pytest.mark.real
def test_missing_pieces_are_survived(tmp_path, missing):
    """Without series, requests or phases there is a report, and it is INVALID."""
    import shutil  # noqa: PLC0415

    recording = Recording(tmp_path)
    if missing in {"phases", "all"}:
        recording.manifest.phases = []
    run = recording.write()
    if missing in {"blocks", "all"}:
        shutil.rmtree(run.tsdb)
    if missing in {"records", "all"}:
        run.records.unlink()
    assert not build.build(run, tmp_path / "scratch").valid
    assert "INVALID" in run.report.read_text()
    assert isinstance(run, RunDirectory)


class Browser:
    """Chromium with the report."""

    def __init__(self, place, width, dark=False):
        from selenium import webdriver  # noqa: PLC0415
        from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", f"--user-data-dir={place}"),
            *(f"--window-size={width},2000", "--hide-scrollbars"),
            *(("--blink-settings=preferredColorScheme=0",) if dark else ()),
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 2000, "deviceScaleFactor": 1, "mobile": False},
        )

    def open(self, path):
        """Open a file."""
        self.driver.get(f"file://{path}")
        return self

    def js(self, script):
        """Run a script."""
        return self.driver.execute_script(script)

    def quit(self):
        """End."""
        self.driver.quit()


@pytest.fixture(params=[(1400, False), (800, False), (400, True)], ids=["desktop", "half", "phone-dark"])
def page(request, made, tmp_path):
    """The report at three widths, one of them dark."""
    width, dark = request.param
    browser = Browser(tmp_path / "profile", width, dark).open(made[0].report)
    yield browser
    browser.quit()


OVERLAP = """
const boxes = [...document.querySelectorAll('.banner, .findings li, .notes li, .tiles > div, .card, h2, .scroll, pre')]
  .map(e => [e.className || e.tagName, e.getBoundingClientRect()]);
const bad = [];
for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
  const [a, b] = [boxes[i][1], boxes[j][1]];
  if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
    bad.push([boxes[i][0], boxes[j][0]]);
}
return bad;
"""

INK = """
return dashcam.plots().map(plot => {
  const { width, height } = plot.ctx.canvas;
  const colours = new Set();
  const data = plot.ctx.getImageData(0, 0, width, height).data;
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] > 200) colours.add(data[i] << 16 | data[i+1] << 8 | data[i+2]);
  return colours.size;
});
"""


@pytest.mark.real
def test_report_in_a_browser(page):
    """Drawn, hovered, zoomed: every chart has ink, one time, one zoom; nothing overlaps, overflows or complains."""
    charts = page.js("return document.querySelectorAll('.plot').length")
    assert charts >= 6
    ink = page.js(INK)
    assert len(ink) == charts
    assert min(ink) > 3
    assert page.js(OVERLAP) == []
    assert page.js("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.js("const p = dashcam.plots()[0]; p.setCursor({left: p.over.clientWidth / 2, top: 50}, true, true);")
    shown = page.js("return dashcam.plots().map(p => p.root.querySelector('.u-legend .u-value').textContent)")
    assert len(set(shown)) == 1, shown
    assert re.fullmatch(r"14:22:\d\d", shown[0])
    page.js("const p = dashcam.plots()[1], x = p.data[0]; p.setScale('x', {min: x[10], max: x[20]});")
    scales = page.js(
        "return new Promise(done => setTimeout(() => done("
        "dashcam.plots().map(p => [p.scales.x.min, p.scales.x.max].join())), 200))"
    )
    assert len(set(scales)) == 1, scales
    low, high = map(float, scales[0].split(","))
    assert high - low == pytest.approx(10, abs=0.1)
    log = [entry for entry in page.driver.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]
    assert log == []


@pytest.mark.real
def test_colours_follow_the_scheme(made, tmp_path):
    """Dark and light readers get their page."""
    pages = []
    for dark in (False, True):
        browser = Browser(tmp_path / f"profile{dark}", 800).open(made[0].report)
        browser.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]},
        )
        pages.append(browser.js("return getComputedStyle(document.body).backgroundColor"))
        browser.quit()
    assert pages[0] != pages[1]
