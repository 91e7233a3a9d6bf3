"""Recordings on one time axis."""

import urllib.parse

from prometheus.together import Spell, modifier, offset, view, window

FIRST = Spell("a", start=1000.0, end=1100.0, begin=1010.0)
LATER = Spell("b", start=5000.0, end=5300.5, begin=5020.5)
EARLIER = Spell("c", start=100.0, end=150.0, begin=100.0)


def test_offsets_lay_the_begin_of_one_load_over_the_other():
    """What was at a later run's begin is seen at the base's begin by looking ahead: a negative offset."""
    assert modifier(FIRST, FIRST) == ""
    assert modifier(LATER, FIRST) == " offset -4010500ms"
    assert modifier(EARLIER, FIRST) == " offset 910000ms"
    assert offset(LATER, FIRST) == -4010500


def test_the_window_holds_the_longest():
    """Before the base's begin as much as any has before its own, and after it likewise."""
    assert window([FIRST]) == (1000.0, 1100.0)
    assert window([FIRST, LATER, EARLIER]) == (989.5, 1290.0)


def test_the_range_ends_with_a_full_minute():
    """The classic page cuts seconds off the end: a run of seconds would show nothing."""
    words = urllib.parse.parse_qs(view([FIRST]))
    assert words["g0.end_input"] == ["1970-01-01 00:19:00"]
    assert words["g0.range_input"] == ["140s"]
    assert words["g0.expr"] == ["run_phase"]


def test_several_runs_are_one_graph():
    """Each run's rate, with its own scrape interval's window and its offset."""
    slow = Spell("d", start=100.0, end=150.0, begin=100.0, interval=5.0)
    expression = urllib.parse.parse_qs(view([FIRST, slow]))["g0.expr"][0]
    assert expression == (
        'sum by (run_id) (rate(load_requests_total{run_id="a"}[4000ms])) or '
        'sum by (run_id) (rate(load_requests_total{run_id="d"}[20000ms] offset 910000ms))'
    )
