"""Frames, calculations, transformations, fields: what Grafana does between a query and a panel."""

import numpy as np
import pytest

from reports.dashboards import fields, reducers, transforms
from reports.dashboards.fields import Subject
from reports.dashboards.frames import Column, Frame
from reports.dashboards.interpolate import Chosen, Scope

VALUES = np.array([np.nan, 4.0, 2.0, np.nan, 8.0, np.nan])


@pytest.mark.parametrize(
    ("calc", "expected"),
    [
        ("lastNotNull", 8.0), ("last", None), ("firstNotNull", 4.0), ("first", None), ("min", 2.0), ("max", 8.0),
        ("mean", 14 / 3), ("sum", 14.0), ("count", 3.0), ("countAll", 6.0), ("range", 6.0), ("diff", 4.0),
        ("median", 4.0), ("delta", 8.0), ("changeCount", 2.0), ("stdDev", float(np.std([4, 2, 8]))), ("p50", 4.0),
        ("unheard", None),
    ],
)  # fmt: skip
def test_calculations(calc: str, expected: float | None) -> None:
    """NaN is no value; `delta` takes a step down for a counter's new start."""
    assert reducers.reduce(calc, VALUES) == pytest.approx(expected)


def test_nothing_has_no_calculation() -> None:
    """Of no values there is a count and nothing else."""
    empty = np.array([np.nan])
    assert {calc: value for calc in reducers.CALCS if (value := reducers.reduce(calc, empty)) is not None} == {
        "count": 0.0, "countAll": 1.0, "allIsNull": 1.0, "allIsZero": 0.0,
    }  # fmt: skip


def table(ref: str, value: str, *rows: tuple[str, float]) -> Frame:
    """Make the frame of an instant query in the format `table`."""
    names, numbers = zip(*rows, strict=True)
    time = Column("Time", "time", np.full(len(rows), 10.0))
    return Frame(ref, (time, Column("node", "string", list(names)), Column(value, "number", np.array(numbers))))


def cells(frame: Frame) -> dict[str, list[object]]:
    """Return a frame by the titles of its columns; NaN as None."""
    return {
        c.title: [None if isinstance(v, float) and np.isnan(v) else v for v in np.asarray(c.values, dtype=object)]
        for c in frame.columns
    }


def apply(frames: list[Frame], name: str, **options: object) -> list[dict[str, list[object]]]:
    """Apply one transformation."""
    found, notes = transforms.apply(frames, [{"id": name, "options": options}])
    assert notes == []
    return [cells(frame) for frame in found]


def test_merge_joins_rows_that_agree() -> None:
    """Rows with the same labels become one; what a frame has not stays empty."""
    merged = apply([table("A", "Value #A", ("n1", 1.0), ("n2", 2.0)), table("B", "Value #B", ("n2", 5.0))], "merge")
    assert merged == [{"Time": [10.0, 10.0], "node": ["n1", "n2"], "Value #A": [1.0, 2.0], "Value #B": [None, 5.0]}]


def test_organize_hides_renames_and_orders() -> None:
    """By the names of the fields."""
    found = apply(
        [table("A", "Value", ("n1", 1.0))], "organize",
        excludeByName={"Time": True}, indexByName={"Value": 0, "node": 1}, renameByName={"Value": "Busy"},
    )  # fmt: skip
    assert [list(one.items()) for one in found] == [[("Busy", [1.0]), ("node", ["n1"])]]


def test_reduce_makes_rows_of_series() -> None:
    """A row a series, a column a calculation."""
    series = Frame(
        "A",
        (Column("Time", "time", np.arange(3.0)), Column("Value", "number", np.array([1.0, 3.0, 2.0]), {"a": "b"}, "s")),
    )
    found = apply([series], "reduce", reducers=["max", "lastNotNull"], labelsToFields=True)
    assert found == [{"Field": ["s"], "a": ["b"], "Max": [3.0], "Last *": [2.0]}]


def test_sort_filter_limit_rename() -> None:
    """The plain ones, each by what a reader calls the field."""
    frame = table("A", "Value", ("n1", 1.0), ("n2", 3.0), ("n3", 2.0))
    assert apply([frame], "sortBy", sort=[{"field": "Value", "desc": True}])[0]["node"] == ["n2", "n3", "n1"]
    assert list(apply([frame], "filterFieldsByName", include={"names": ["node"]})[0]) == ["node"]
    assert list(apply([frame], "filterFieldsByName", exclude={"pattern": "/T.*/"})[0]) == ["node", "Value"]
    assert apply([frame], "limit", limitField=1)[0]["node"] == ["n1"]
    assert list(apply([frame], "renameByRegex", regex="(no)de", renamePattern="$1")[0]) == ["Time", "no", "Value"]


def test_join_by_time_is_outer() -> None:
    """Series with other moments share one axis; one that is not there is empty."""
    one = Frame(
        "A", (Column("Time", "time", np.array([1.0, 2.0])), Column("Value", "number", np.array([1.0, 2.0]), shown="a"))
    )
    two = Frame(
        "B", (Column("Time", "time", np.array([2.0, 3.0])), Column("Value", "number", np.array([5.0, 6.0]), shown="b"))
    )
    assert apply([one, two], "joinByField", byField="Time") == [
        {"Time": [1, 2, 3], "a": [1, 2, None], "b": [None, 5, 6]}
    ]
    assert apply([one, two], "joinByField", byField="Time", mode="inner") == [{"Time": [2], "a": [2], "b": [5]}]


def test_group_by_aggregates() -> None:
    """Grafana names the columns by field and calculation."""
    frame = table("A", "Value", ("n1", 1.0), ("n1", 3.0), ("n2", 2.0))
    wanted = {"node": {"operation": "groupby"}, "Value": {"operation": "aggregate", "aggregations": ["sum", "max"]}}
    assert apply([frame], "groupBy", fields=wanted) == [
        {"node": ["n1", "n2"], "Value (sum)": [4.0, 2.0], "Value (max)": [3.0, 2.0]}
    ]


def test_unknown_transformation_is_named() -> None:
    """And the frames stay as they are."""
    frames = [table("A", "Value", ("n1", 1.0))]
    assert transforms.apply(frames, [{"id": "partitionByValues"}]) == (
        frames,
        ["the transformation partitionByValues is not applied"],
    )


SUBJECT = Subject("p99 n1", "Value", "number", "B", {"node": "n1"})


@pytest.mark.parametrize(
    ("matcher", "fits"),
    [
        ({"id": "byName", "options": "p99 n1"}, True),
        ({"id": "byName", "options": "p99 $node"}, True),
        ({"id": "byName", "options": "p50"}, False),
        ({"id": "byRegexp", "options": "/^P99/i"}, True),
        ({"id": "byRegexp", "options": "p99"}, False),
        ({"id": "byRegexp", "options": "/(/"}, False),
        ({"id": "byFrameRefID", "options": "B"}, True),
        ({"id": "byType", "options": "number"}, True),
        ({"id": "byNames", "options": {"mode": "exclude", "names": ["p99 n1"]}}, False),
        ({"id": "unheard", "options": "x"}, False),
    ],
)
def test_overrides_match(matcher: dict[str, object], fits: bool) -> None:
    """By name, by regular expression, by query, by type."""
    override = {
        "matcher": matcher,
        "properties": [{"id": "unit", "value": "s"}, {"id": "custom.lineWidth", "value": 3}],
    }
    found = fields.of({"unit": "short"}, [override], SUBJECT, Scope({"node": Chosen(("n1",))}))
    assert (found.unit, found.custom.get("lineWidth")) == (("s", 3) if fits else ("short", None))


def test_fields_are_read() -> None:
    """Bounds as texts, thresholds in order with grafanalib's "null", mappings of all four kinds and the old two."""
    defaults = {
        "min": "0", "max": None, "decimals": 2, "displayName": "${__field.labels.node}: ${__series.name}",
        "thresholds": {"steps": [{"value": 5, "color": "red"}, {"value": "null", "color": "green"}]},
        "mappings": [
            {"type": "value", "options": {"1": {"text": "up", "color": "green"}}},
            {"type": "range", "options": {"from": 2, "to": None, "result": {"text": "many"}}},
            {"type": "regex", "options": {"pattern": "/x/", "result": {"text": "ex"}}},
            {"type": "special", "options": {"match": "null", "result": {"text": "none"}}},
            {"value": "7", "text": "seven", "op": "="},
            {"from": "8", "to": "9", "text": "few"},
        ],
    }  # fmt: skip
    found = fields.of(defaults, [], SUBJECT, Scope())
    assert (found.low, found.high, found.decimals, found.title) == (0.0, None, 2, "n1: p99 n1")
    assert found.wire()["t"] == ["absolute", [[None, "green"], [5.0, "red"]]]
    assert found.wire()["m"] == [
        ["v", "1", "up", "green"], ["r", [2.0, None], "many", None], ["x", "/x/", "ex", None],
        ["s", "null", "none", None], ["v", "7", "seven", None], ["r", [8.0, 9.0], "few", None],
    ]  # fmt: skip


def series(ref: str, name: str, *values: float) -> Frame:
    """Make the frame of a series."""
    return Frame(
        ref,
        (Column("Time", "time", np.arange(len(values)) + 10.0), Column("Value", "number", np.array(values), {}, name)),
    )


@pytest.mark.parametrize(
    ("options", "title", "expected"),
    [
        ({"mode": "binary", "binary": {"left": "a", "operator": "-", "right": "b"}}, "a - b", [-2.0, None]),
        ({"mode": "binary", "alias": "x", "binary": {"left": "a", "operator": "*", "right": "10"}}, "x", [10.0, 20.0]),
        (
            {"mode": "binary", "binary": {
                "left": {"matcher": {"id": "byName", "options": "b"}}, "operator": "/", "right": {"fixed": "2"},
            }},
            "b / 2", [1.5, None],
        ),
        ({"mode": "reduceRow", "reduce": {"reducer": "sum", "include": ["a", "b"]}}, "Total", [4.0, 2.0]),
        ({"reduce": {"reducer": "max"}, "replaceFields": True}, "Max", [3.0, 2.0]),
    ],
)  # fmt: skip
def test_fields_are_calculated(options: dict[str, object], title: str, expected: list[float | None]) -> None:
    """Of two fields, or of a row; series are joined by their time first."""
    (found,) = apply([series("A", "a", 1.0, 2.0), series("B", "b", 3.0)], "calculateField", **options)
    assert found[title] == expected
    assert ("a" in found) == ("replaceFields" not in options)


def test_calculations_that_are_not_here_are_named() -> None:
    """Another mode, and a field that is not there: the frames stay, and the panel says so."""
    frames = [series("A", "a", 1.0)]
    steps = [
        {"id": "calculateField", "options": {"mode": "windowFunctions"}},
        {"id": "calculateField", "options": {"mode": "binary", "binary": {"left": "gone", "right": "a"}}},
    ]
    assert transforms.apply(frames, steps) == (
        frames,
        [
            "the transformation calculateField is not applied: mode windowFunctions",
            "the transformation calculateField is not applied: a field that it names is not there",
        ],
    )


def test_transformations_may_be_for_some_queries() -> None:
    """`filter` by refId; a rename with groups that the expression has not."""
    rename = {"regex": "(.).*", "renamePattern": "$1-$2"}
    steps = [{"id": "renameByRegex", "filter": {"id": "byRefId", "options": "/^(?:A)$/"}, "options": rename}]
    found, _ = transforms.apply([series("A", "aa", 1.0), series("B", "bb", 1.0)], steps)
    assert [frame.numbers[0].title for frame in found] == ["a-$2", "bb"]


def test_rows_are_filtered_concatenated_and_unpivoted() -> None:
    """filterByValue, concatenate, seriesToRows, convertFieldType, organize by what is included."""
    where = {"filters": [{"fieldName": "Value", "config": {"id": "greater", "options": {"value": 1}}}], "match": "all"}
    rows = [table("A", "Value", ("n1", 1.0), ("n2", 2.0))]
    assert apply(rows, "filterByValue", type="include", **where)[0]["node"] == ["n2"]
    assert apply(rows, "filterByValue", type="exclude", **where)[0]["node"] == ["n1"]
    two = [series("A", "a", 1.0, 2.0), series("B", "b", 3.0)]
    assert apply(two, "concatenate")[0]["b"] == [3.0, None]
    assert apply(two, "seriesToRows")[0] == {
        "Time": [11.0, 10.0, 10.0], "Metric": ["a", "a", "b"], "Value": [2.0, 1.0, 3.0],
    }  # fmt: skip
    assert apply(rows, "organize", includeByName={"node": True}) == [{"node": ["n1", "n2"]}]
    to_text = [{"targetField": "Value", "destinationType": "string"}]
    assert apply(rows, "convertFieldType", conversions=to_text)[0]["Value"] == ["1", "2"]


def test_overrides_by_value_and_unknown_ones() -> None:
    """By a calculation over the values; a matcher that is not here is named."""
    subject = Subject("a", "Value", "number", "A", {}, np.array([0.0, 0.0]))
    zero = {"id": "byValue", "options": {"reducer": "allIsZero", "op": "gte", "value": 1}}
    assert fields.matches(zero, subject, Scope())
    assert not fields.matches(
        {"id": "byValue", "options": {"reducer": "max", "op": "gt", "value": 0}}, subject, Scope()
    )
    overrides = [{"matcher": {"id": "byUnheard"}, "properties": [{"id": "unit", "value": "s"}]}]
    assert fields.unknown(overrides) == ["an override by byUnheard is not applied"]
