"""What LoadGen is told. Its own file mlperf.conf is for the benchmarks that it names; these are its rules for all."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.outcome import SetupError
from runs.scenario import QSL_SEED, SAMPLE_INDEX_SEED, SAMPLES_A_QUERY, SCHEDULE_SEED, Scenario

FOLDER = "mlperf"
"""Where LoadGen's logs are kept, in the run's load/."""
_NAMES = {
    "single-stream": "SingleStream",
    "multi-stream": "MultiStream",
    "server": "Server",
    "offline": "Offline",
}


def loadgen() -> Any:
    """Return LoadGen's module. Raises SetupError."""
    try:
        import mlperf_loadgen  # noqa: PLC0415 - an extra
    except ImportError as error:
        text = "scenario.engine loadgen needs mlcommons-loadgen: pip install 'dashcam[mlperf]', or set engine: own"
        raise SetupError(text) from error
    return mlperf_loadgen


def scheduled_by_loadgen(scenario: Scenario | None) -> bool:
    """Tell whether LoadGen schedules: where the recipe asks for it, or leaves it open and it is installed."""
    if scenario is None or scenario.engine == "own":
        return False
    return scenario.engine == "loadgen" or importlib.util.find_spec("mlperf_loadgen") is not None


def settings(module: Any, scenario: Scenario, bounds: Mapping[str, float]) -> Any:
    """Return LoadGen's settings. `bounds` in seconds: a server's latency_p99, or its ttft_p99 and tpot_p99."""
    made = module.TestSettings()
    made.scenario = getattr(module.TestScenario, _NAMES[scenario.kind])
    made.mode = module.TestMode.PerformanceOnly
    made.min_duration_ms = round(1000 * scenario.seconds)
    made.min_query_count = scenario.count
    made.qsl_rng_seed, made.sample_index_rng_seed = QSL_SEED, SAMPLE_INDEX_SEED
    made.schedule_rng_seed = SCHEDULE_SEED
    made.single_stream_target_latency_percentile = 0.9
    made.multi_stream_target_latency_percentile = 0.99
    made.multi_stream_samples_per_query = SAMPLES_A_QUERY
    made.server_target_latency_percentile = 0.99
    if scenario.kind == "offline":
        made.offline_expected_qps = scenario.rate
    if scenario.kind == "server":
        made.server_target_qps = scenario.rate
        made.server_target_latency_ns = round(1e9 * bounds.get("latency_p99", 0.0))
        if tokens(scenario, bounds):
            made.use_token_latencies = True
            # Outputs of a language model differ in length, and the rules want each sample used equally often: a run
            # then has whole rounds of all samples, for which a short one has no time.
            made.sample_concatenate_permutation = not scenario.short
            made.ttft_latency = round(1e9 * bounds["ttft_p99"])
            made.tpot_latency = round(1e9 * bounds["tpot_p99"])
    return made


def tokens(scenario: Scenario, bounds: Mapping[str, float]) -> bool:
    """Tell whether a server is judged by its tokens' times."""
    return scenario.kind == "server" and {"ttft_p99", "tpot_p99"} <= set(bounds)


def logs(module: Any, directory: Path) -> Any:
    """Return LoadGen's log settings: all of them into `directory`, nothing to standard output."""
    made, output = module.LogSettings(), module.LogOutputSettings()
    output.outdir, output.copy_summary_to_stdout = str(directory), False
    made.log_output, made.enable_trace = output, False
    return made
