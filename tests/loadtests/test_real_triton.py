"""The `triton` generator against the real Triton, with models that copy or add."""

import re
from collections.abc import Iterator

import pytest
import requests

from jobs.services.base import ServicePlan
from loadtests.generators import registry
from loadtests.generators.triton import _Case
from loadtests.kserve.base import Request
from loadtests.outcome import SetupError
from loadtests.plan import Target
from tests.loadtests import programs
from tests.loadtests.tools import a_load, drive, seconds

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.fixture(scope="module")
def service() -> Iterator[ServicePlan]:
    """Keep one server for the tests of this file."""
    with programs.triton(summary_latencies=True, grpc=True) as plan:
        yield plan


def by_http(service: ServicePlan) -> Target:
    """Give the target of those who go by HTTP, whose address the probe has."""
    [program] = service.programs
    return service.target.model_copy(update={"protocol": "triton", "url": program.probe.url})


def triton(service, load, *, grpc=False, **options):
    """Make the generator."""
    kind = registry()["triton"]
    target = service.target if grpc else by_http(service)
    return kind.create(target, kind.Options.model_validate(options), load)


def series(service: ServicePlan) -> dict[str, float]:
    """Read the server's own metrics."""
    [scrape] = service.scrapes
    page = requests.get(f"http://{scrape.address}/metrics", timeout=5).text
    return {name: float(value) for name, value in re.findall(r"^(\w+\{[^}]*\}) (\S+)$", page, re.MULTILINE)}


LOAD = a_load({"name": "steady", "for": 1, "rate": 40}, seed=3)


@pytest.mark.parametrize("way", [{"encoding": "binary"}, {"encoding": "json"}, {"grpc": True}])
@pytest.mark.parametrize(("model", "expect"), [("identity", "identity"), ("add_sub", "add_sub"), ("add_sub", "same")])
def test_every_answer_is_right_and_counted(service, tmp_path, model, expect, way):
    """Values come back as they must, however they travel; the server counts the requests and rows that we do."""
    before = series(service)
    generator = triton(service, LOAD, model=model, expect=expect, batch=3, inputs=8, **way)
    table, engine = drive(LOAD, generator, tmp_path)
    after = series(service)
    assert engine.errors == {}
    assert table.num_rows > 20
    assert (seconds(table, "done", "sent") > 0).all()
    for counter, count in (
        ("nv_inference_request_success", table.num_rows),
        ("nv_inference_count", 3 * table.num_rows),
    ):
        name = f'{counter}{{model="{model}",version="1"}}'
        assert after[name] - before[name] == count


def test_wrong_answers_are_found(service, tmp_path):
    """A model that does not do what it is expected to fails with each answer; the server counts them as good."""
    load = a_load({"name": "steady", "for": 0.5, "rate": 10, "arrival": "constant"})
    before = series(service)
    _, engine = drive(load, triton(service, load, model="add_sub", expect="identity"), tmp_path)
    assert engine.errors == {"wrong_answer": 5}
    name = 'nv_inference_request_success{model="add_sub",version="1"}'
    assert series(service)[name] - before[name] == 5


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"model": "nope"}, "model 'nope'.*(http_404|grpc_not_found)"),
        ({"model": "identity", "version": "9"}, "model 'identity'.*(http_404|grpc_not_found)"),
        ({"model": "identity", "batch": 9}, "batches up to 8, not 9"),
        ({"model": "identity", "outputs": ["OUT"]}, "no output OUT: it has OUTPUT0"),
        ({"model": "identity", "shapes": {"IN": [1]}}, "no input IN: it has INPUT0"),
        ({"model": "add_sub", "shapes": {"INPUT0": [4]}}, r"\[4\], where the model has \[16\]"),
        ({"model": "identity", "expect": "add_sub"}, "needs two inputs"),
        ({"model": "identity", "length": 1_000_000, "inputs": 100}, "make `inputs` at most"),
    ],
)
@pytest.mark.parametrize("grpc", [False, True])
async def test_what_cannot_be_asked(service, options, word, grpc):
    """What does not fit the model ends the set-up, with what would."""
    generator = triton(service, LOAD, grpc=grpc, **options)
    with pytest.raises(SetupError, match=word):
        await generator.setup()
    await generator.close()


@pytest.mark.parametrize(("grpc", "kind"), [(False, "http_404"), (True, "grpc_not_found")])
def test_a_model_that_goes_away(service, tmp_path, grpc, kind):
    """A model that the server does not know is a failure with its status, and moves none of its counters."""
    load = a_load({"name": "steady", "for": 0.5, "rate": 10, "arrival": "constant"})
    generator = triton(service, load, grpc=grpc, model="identity")

    async def rename(_: object) -> None:
        client = generator._client
        if grpc:
            generator._pool = [
                _Case(Request(case.request.body.replace(b"identity", b"notthere"))) for case in generator._pool
            ]
        else:
            client._infer = client._infer.replace("identity", "notthere")

    def counters() -> dict[str, float]:
        return {k: v for k, v in series(service).items() if k.startswith("nv_inference_request_") and "_us" not in k}

    before = counters()
    _, engine = drive(load, generator, tmp_path, rename)
    assert engine.errors == {kind: 5}
    assert counters() == before


def test_lengths_and_outputs_by_choice(service, tmp_path):
    """Open dimensions follow a distribution, and only what is asked for comes back."""
    options = {"model": "identity", "length": {"distribution": "uniform", "min": 1, "max": 9}, "expect": "identity"}
    table, engine = drive(LOAD, triton(service, LOAD, **options), tmp_path)
    assert engine.errors == {}
    assert len(set(table["received"].to_pylist())) > 3
    load = a_load({"name": "steady", "for": 0.5, "rate": 10, "arrival": "constant"})
    generator = triton(service, load, model="add_sub", outputs=["OUTPUT1"], expect="add_sub")
    _, engine = drive(load, generator, tmp_path)
    assert engine.errors == {}


def test_it_is_locked_where_a_load_has_no_use_for_it(service):
    """Shared memory and the model repository are refused; quantiles are there where asked for."""
    url = by_http(service).url
    assert requests.get(f"{url}/v2/systemsharedmemory/status", timeout=5).status_code == 403
    assert requests.post(f"{url}/v2/repository/index", timeout=5).status_code == 403
    assert any(name.startswith("nv_inference_request_summary_us{") for name in series(service))


def test_another_server_is_not_taken_for_ours(service):
    """The probe asks for the id of the server that was started."""
    [program] = service.programs
    assert program.probe.check() is None
    other = type(program.probe)(program.probe.url, "another/triton", program.probe.models)
    assert "another program" in other.check()
    missing = type(program.probe)(program.probe.url, program.probe.server, ("nope",))
    assert "models/nope/ready answers" in missing.check()
