"""The page as text: whole, self-contained, and deaf to hostile words."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from reports import cost, coverage, html, summary, verdict
from reports.evidence import Evidence
from reports.html import Drawing
from reports.presence import Presence
from reports.series import Chart, Grid, Line
from tests.reports import recording as made
from tests.reports import sidecars

EVIL = "</script><script>alert(1)</script><!--<script> ]]> <img src=x onerror=alert(2)> \u2028 {{ 7*7 }} & \" '"
BEGIN = made.START.timestamp()
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """Elements, attributes and texts of a page; complains about what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not self.open or self.open[-1] != "style":
            self.words.append(data)


def chart(title: str = "CPU", name: str = "llm", unit: str = "cores", points: int = 40) -> Chart:
    """Make a chart of one line with a gap."""
    values = np.linspace(0.0, 1.23456789, points)
    values[3] = np.nan
    return Chart(title, unit, "A description.", (Line(name, values),))


def render(found: Evidence, charts: tuple[Chart, ...] = (), recipe: str = "name: demo\n", points: int = 40) -> str:
    """Render a page without a recording."""
    judged = verdict.judge(found)
    drawing = Drawing(Grid(BEGIN + np.arange(points), 1.0, 1.0), charts)
    facts = summary.summarise(found, judged) | {"recorder": {"cpu_cores_mean": 0.5, "memory_bytes_mean": None}}
    return html.render(found, judged, facts, drawing, recipe)


def test_page_is_well_formed_and_alone() -> None:
    """Every element is closed, nothing is fetched, and the policy forbids it."""
    text = render(made.evidence(made.llm_rows()), (chart(),))
    page = Page(text)
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "data", "srcset", "style", "onclick", "onload"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or value == "data:,", (tag, name, value)
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[\w/.-]*", text))
    assert addresses <= {"https://github.com/leeoniya/uPlot"}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|eval\(", text)
    policy = next(a["content"] or "" for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


@pytest.mark.parametrize(("ending", "word"), [("completed", "VALID"), ("failed", "INVALID")])
def test_verdict_comes_first(ending: str, word: str) -> None:
    """The first words of the page, and its title, are the verdict."""
    page = Page(render(made.evidence(made.llm_rows(), ending=ending)))
    words = [text.strip() for text in page.words if text.strip()]
    assert words[0].startswith(word)
    assert words[2] == word


def test_notes_stand_beside_the_figures() -> None:
    """That the weights are random cannot be overlooked: it stands before the first figure."""
    text = render(made.evidence(made.llm_rows(), notes=["the weights are random"]))
    assert text.index('id="figures"') < text.index("the weights are random") < text.index('class="tiles"')


def test_unfinished_run_tells_what_died_and_when() -> None:
    """Reason, moment, program, signal and log are told above the figures."""
    ended = made.STEADY.started.replace(second=20)
    dead = made.process("llm", "service", stopped_by_us=False, exit_code=-9, ended=ended)
    text = render(made.evidence(ending="failed", reason="llm died\n  | Killed", processes=[dead], ended=ended))
    top = text[: text.index('id="figures"')]
    for words in (
        "The run failed",
        "llm died\n  | Killed",
        "signal SIGKILL",
        "logs/llm.log",
        "15.0 s into phase steady",
    ):
        assert words in top


def test_hostile_words_stay_words() -> None:
    """Recipe, notes, reasons, errors, names and commands are text, and never markup or script."""
    phase = made.span(EVIL, 0.0, 10.0, rate=5.0)
    rows = [made.row(EVIL, at / 10, 0.1, ok=at % 9 > 0, error=None if at % 9 else EVIL) for at in range(100)]
    found = made.evidence(
        rows, phases=(phase,), notes=[EVIL], reason=EVIL, ending="failed", versions={EVIL: EVIL}, timings={EVIL: 1.0},
        processes=[made.process(EVIL, "service", command=[EVIL], stopped_by_us=False)], objectives={EVIL: 1.0},
        load={"generator": EVIL},
        sources=(sidecars.source(EVIL, EVIL, EVIL, reason=EVIL), sidecars.source(EVIL, faults=(EVIL,), notes=(EVIL,))),
    )  # fmt: skip
    text = render(found, (chart(EVIL, EVIL),), recipe=EVIL)
    page = Page(text)
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert not [a for t, a in page.elements if t == "img" or any(name.startswith("on") for name in a)]
    data = json.loads(page.scripts[0])
    assert data["charts"][0]["lines"][0]["name"] == EVIL
    assert data["phases"][0]["name"] == EVIL
    assert "49" not in "".join(page.words).split("{{ 7*7 }}")[0][-3:]
    assert EVIL in page.words


def test_data_is_small_and_gaps_are_null() -> None:
    """Six digits, whole numbers without a point, null where there is no value."""
    data = json.loads(Page(render(made.evidence(), (chart(),))).scripts[0])
    values = data["charts"][0]["lines"][0]["values"]
    assert values[3] is None
    assert values[0] == 0
    assert values[-1] == 1.23457
    assert len(data["times"]) == len(values)


def test_ten_minutes_each_second_stay_small() -> None:
    """30 charts of 12 lines with 600 points make less than 6 MB; the page without them less than 200 kB."""
    rng = np.random.default_rng(1)
    many = tuple(
        Chart(f"c{i}", "bytes", "Noise.", tuple(Line(f"l{j}", rng.random(600) * 1e9) for j in range(12)))
        for i in range(30)
    )
    assert len(render(made.evidence(), many, points=600)) < 6e6
    assert len(render(made.evidence())) < 2e5


def test_charts_have_text_beside_them() -> None:
    """Each picture has a label for those who do not see it, and a table of its figures."""
    page = Page(render(made.evidence(), (chart(),)))
    plots = [a for t, a in page.elements if (a.get("class") or "") == "plot"]
    assert plots[0]["aria-label"]
    assert plots[0]["tabindex"] == "0"
    assert "1.23 cores" in page.words


def test_cost_of_watching_is_told() -> None:
    """What was not recorded of it is left out."""
    assert "watching cost 0.5 cores on average" in re.sub(r"\s+", " ", render(made.evidence()))


def test_sources_are_told_with_their_reasons() -> None:
    """State, source, node, shares and reasons stand in the table; of nothing to read there is no figure."""
    nothing = Presence(0, 30, 1.0, 1, 30.0, BEGIN + 35)
    sources = (
        sidecars.source("gpu", "n1", reason="no GPU here", measured=nothing),
        sidecars.source("bgwriter", "n2", "pg", faults=("failed in 30 of 30 scrapes",), measured=nothing),
    )
    text = render(made.evidence(sources=sources))
    table = text[text.index('<table class="sources">') : text.index("what failed or was refused") + 4000]
    words = [word.strip() for word in Page(table[: table.index("</table>") + 8]).words if word.strip()]
    down = ["down", "pg", "bgwriter", "n2", "0 %", "100 %", "1, longest 30\u00a0s, until 12:00:35", "-"]
    assert words[words.index("down") :] == [
        *(*down, "failed in 30 of 30 scrapes"),
        *("○", "nothing to read", "exporter", "gpu", "n1", "-", "-", "-", "-", "no GPU here"),
    ]
    assert "2 sources: 1 down, 1 with nothing to read" in text


def test_table_of_sources_stays_short() -> None:
    """A thousand sources in trouble, each with its own, fill the table; how many it has no room for is told."""
    many = tuple(sidecars.source("gpu", f"n{i}", faults=(f"failed {i} times",)) for i in range(1000))
    text = render(made.evidence(sources=many))
    assert text.count('<tr class="degraded">') == coverage.MOST_ROWS
    assert "940 more rows" in text
    assert len(text) < 2e5


def test_axis_without_points_is_survived() -> None:
    """No phase, no series: a page all the same."""
    found = made.evidence([], phases=(), ending="failed", processes=[], nodes=[], targets=[], coverage=())
    judged = verdict.judge(found)
    drawing = Drawing(Grid.over(0.0, -1.0, 1.0), ())
    facts = summary.summarise(found, judged) | {"recorder": cost.cost(None, drawing.grid, ())}
    assert "INVALID" in html.render(found, judged, facts, drawing, "")
