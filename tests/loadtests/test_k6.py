"""k6: its command lines of both majors, phases as it takes them, and what becomes of its points."""

import asyncio
import json
from pathlib import Path

import pytest

from loadtests.k6 import command, scenario
from loadtests.k6.command import Files, Push, Version
from loadtests.k6.follow import Follower
from loadtests.k6.options import OURS, Options
from loadtests.k6.remote import takes_native
from loadtests.outcome import SetupError
from loadtests.plan import Series
from loadtests.tools import registry
from runs.phase import Phase
from runs.recipe import Load

FILES = Files(Path("s/openai.js"), Path("s/p.csv"), Path("s/c.log"), Path("s/c.json"), Path("s/r.html"))
ALWAYS = ["--config", "s/c.json", "--no-color", "--system-tags", command.SYSTEM_TAGS]
OUTPUTS = ["--console-output", "s/c.log", "--out", "csv=s/p.csv", "--out", "web-dashboard"]
TAGS = ["--tag", "run_id=r", "--tag", "phase=steady"]
REMOTE = ["--out", "experimental-prometheus-rw"]


@pytest.fixture
def push(tmp_path):
    """Make what names the run's Prometheus."""
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    return lambda native: Push(Series(url="http://h:9090", user="u", password_file=secret), native=native)


@pytest.mark.parametrize(("text", "found"), [
    ("k6 v1.1.0 (commit/0e3fb953be, go1.24.4, linux/amd64)\n", Version(1, 1, 0)),
    ("k6 v2.2.0 (commit/abc, go1.26, linux/arm64)\nExtensions:\n", Version(2, 2, 0)),
])  # fmt: skip
def test_versions(text, found):
    """Both majors say what they are."""
    assert Version.parse(text) == found


@pytest.mark.parametrize("text", ["k6 v0.57.0 (go1.23)", "k6 v3.0.0", "kubectl", ""])
def test_other_programs(text):
    """Anything else is refused with the mend."""
    with pytest.raises(SetupError, match="K6_BIN"):
        Version.parse(text)


def test_the_k6_to_use(tmp_path):
    """K6_BIN comes first, then PATH, then the one beside this Python; a K6_BIN that is none is named."""
    own, path = tmp_path / "mine", tmp_path / "bin" / "k6"
    path.parent.mkdir()
    for file in (own, path):
        file.touch(mode=0o755)
    assert command.find({"K6_BIN": str(own), "PATH": str(path.parent)}) == str(own)
    assert command.find({"PATH": str(path.parent)}) == str(path)
    with pytest.raises(SetupError, match="K6_BIN is /none"):
        command.find({"K6_BIN": "/none"})


@pytest.mark.parametrize(("release", "native", "golden"), [
    (Version(1, 1), False, [*ALWAYS, "--address", "", *OUTPUTS, *REMOTE, *TAGS]),
    (Version(1, 7), True, [*ALWAYS, "--address", "", *OUTPUTS, *REMOTE, *TAGS]),
    (Version(2, 0), True, [*ALWAYS, *OUTPUTS, *REMOTE, *TAGS]),
    (Version(2, 2), False, [*ALWAYS, *OUTPUTS, *REMOTE, *TAGS]),
    (Version(2, 2), True, [*ALWAYS, *OUTPUTS, *REMOTE, "--features", "native-histograms", *TAGS]),
])  # fmt: skip
def test_command_lines(push, release, native, golden):
    """1.x is told not to listen, 2.x does not; native histograms are a feature since 2.1. No secret is in it."""
    line = command.argv("k6", release, FILES, tags={"run_id": "r", "phase": "steady"}, push=push(native))
    assert list(line) == ["k6", "run", *golden, "s/openai.js"]
    assert "hush" not in " ".join(line)


def test_without_series_and_page():
    """Without a Prometheus nothing is pushed, without a page none is made."""
    bare = Files(FILES.script, FILES.points, FILES.console, FILES.config)
    line = command.argv("k6", Version(2, 2), bare, tags={})
    assert list(line) == ["k6", "run", *ALWAYS, *OUTPUTS[:4], "s/openai.js"]


@pytest.mark.parametrize(("release", "native", "trends"), [
    (Version(1, 1), True, {"K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM": "true"}),
    (Version(2, 0), True, {"K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM": "true"}),
    (Version(2, 1), True, {}),
    (Version(1, 1), False, {"K6_PROMETHEUS_RW_TREND_STATS": "count,sum"}),
    (Version(2, 2), False, {"K6_PROMETHEUS_RW_TREND_STATS": "count,sum"}),
])  # fmt: skip
def test_environment(push, release, native, trends):
    """No usage report, no downloads, no page's port, none of the user's K6_*; never k6's cumulative percentiles."""
    outer = {"PATH": "/bin", "K6_OUT": "cloud", "K6_CLOUD_TOKEN": "t"}
    found = command.environment(outer, release, FILES, plan=Path("plan"), push=push(native))
    assert found["K6_NO_USAGE_REPORT"] == "true"
    assert found["K6_AUTO_EXTENSION_RESOLUTION"] == "false"
    assert ("K6_BINARY_PROVISIONING" in found) == (release.major == 1)
    assert found["K6_WEB_DASHBOARD_PORT"] == "-1"
    assert found["K6_PROMETHEUS_RW_PASSWORD"] == "hush"
    assert {"K6_OUT", "K6_CLOUD_TOKEN"}.isdisjoint(found)
    assert {name: value for name, value in found.items() if "TREND" in name} == trends


def test_the_authority_of_a_run(push):
    """k6's output takes no CA: Go's own variable names it, and nothing is left unverified."""
    bare = push(native=False)
    assert "SSL_CERT_FILE" not in command.environment({}, Version(1, 1), FILES, plan=Path("plan"), push=bare)
    tls = Push(bare.series.model_copy(update={"ca_file": Path("/live/ca.pem")}), native=False)
    found = command.environment({"SSL_CERT_FILE": "/mine"}, Version(2, 2), FILES, plan=Path("plan"), push=tls)
    assert found["SSL_CERT_FILE"] == "/live/ca.pem"
    assert not [name for name in found if "INSECURE" in name]


@pytest.mark.parametrize(("features", "version", "takes"), [
    ("", "2.42.0+ds", False), ("exemplar-storage,native-histograms", "2.42.0", True), ("", "3.8.1", False),
    ("", "3.9.0", True), ("", "", False),
])  # fmt: skip
def test_native_histograms(features, version, takes):
    """They are pushed to a server that takes them: by flag, or since 3.9."""
    assert takes_native(features, version) is takes


def phase(**more):
    """Make a phase of 10 s."""
    return Phase.model_validate({"name": "steady", "for": 10, **more})


@pytest.mark.parametrize(("asked", "requests", "executor"), [
    ({"rate": 12.5, "arrival": "constant"}, None,
     {"executor": "constant-arrival-rate", "rate": 25, "timeUnit": "2s", "preAllocatedVUs": 40, "maxVUs": 40}),
    ({"ramp": {"from": 0.5, "to": 20}, "arrival": "constant"}, None,
     {"executor": "ramping-arrival-rate", "startRate": 1, "stages": [{"duration": "10000ms", "target": 40}],
      "timeUnit": "2s"}),
    ({"rate": 10}, 103, {"executor": "shared-iterations", "vus": 40, "iterations": 103, "maxDuration": "15200ms"}),
    ({"users": 7}, None, {"executor": "constant-vus", "vus": 7, "duration": "10000ms", "gracefulStop": "5000ms"}),
    ({"users": 7, "requests": 3}, None, {"executor": "shared-iterations", "vus": 3, "iterations": 3}),
])  # fmt: skip
def test_executors(asked, requests, executor):
    """Each phase becomes the executor that is nearest to it; k6 takes whole rates only."""
    found = scenario.scenario(phase(**asked), vus=40, drain=5.0, requests=requests)
    assert executor.items() <= found.items()


@pytest.mark.parametrize(("asked", "wanted", "ours"), [
    ({"rate": 5, "arrival": "constant"}, "k6", False), ({"rate": 5, "arrival": "constant"}, "dashcam", True),
    ({"rate": 5}, "k6", True), ({"rate": 5, "arrival": "constant", "requests": 9}, "k6", True),
    ({"ramp": {"from": 0, "to": 9}, "arrival": "constant"}, "k6", True), ({"users": 3}, "dashcam", False),
])  # fmt: skip
def test_whose_times(asked, wanted, ours):
    """k6 spaces evenly and no other way: all other open loops follow our schedule."""
    assert scenario.own(phase(**asked), wanted) is ours


def test_steps_are_phases():
    """A staircase is a k6 for each step."""
    load = Load.model_validate({"generator": "k6", "phases": [
        {"name": "stairs", "for": 5, "steps": [10, 20], "arrival": "constant"}]})  # fmt: skip
    found = registry()["k6"].arranged(load, Options())
    assert [(each.name, each.rate, each.in_window) for each in found.phases] == [
        ("stairs-1", 10, True), ("stairs-2", 20, True)
    ]  # fmt: skip
    assert found.stages == found.phases


def test_points_are_followed_as_they_come(tmp_path):
    """Half a line waits for its rest, what was whole is there at once, the end is not lost."""
    file = tmp_path / "p.csv"
    head = "metric_name,timestamp,metric_value,metadata\n"
    point = "{},1767225600000000,{},dashcam={}\n"
    parts = [
        head[:20],
        head[20:] + point.format("http_reqs", 1, 0) + point.format("dashcam_answers", 1, 0)[:30],
        point.format("dashcam_answers", 1, 0)[30:] + point.format("dropped_iterations", 2, ""),
        point.format("http_reqs", 1, 1),
    ]

    async def work():
        over, follower = asyncio.Event(), Follower(file)
        seen = []

        async def read():
            seen.extend([[number for number, _ in found] async for found in follower.follow(over)])

        reading = asyncio.create_task(read())
        for part in parts:
            with file.open("a") as stream:
                stream.write(part)
            await asyncio.sleep(0.3)
        over.set()
        await reading
        return seen, follower.dropped

    seen, dropped = asyncio.run(work())
    assert [number for part in seen[:-1] for number in part] == [0]
    assert seen[-1] == [1]
    assert dropped == 2


def test_scripts_and_options_agree():
    """Each script that a recipe may name is there, and those that must be told what to ask for say so."""
    folder = Path(command.__file__).parent
    assert {path.stem for path in folder.glob("*.js")} == {*OURS, "dashcam"}
    with pytest.raises(ValueError, match="needs what to ask for"):
        Options.model_validate({"script": "triton"})
    with pytest.raises(ValueError, match="is no script"):
        Options.model_validate({"script": "openia"})
    with pytest.raises(ValueError, match="either objects or urls_file"):
        Options.model_validate({"script": "s3", "s3": {}})


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_option_is_described(name):
    """Each key that a recipe may hold says what it is; unknown keys are refused and values frozen."""
    schema = registry()[name].Options.model_json_schema()
    for model in (schema, *schema.get("$defs", {}).values()):
        assert model.get("additionalProperties") is False
        for key, value in model["properties"].items():
            assert value.get("description"), f"{name}: {key}"
    assert json.dumps(schema)
