"""GPUs from dcgm-exporter's page."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.collector import Context, OptionError
from exporters.fetch import fetcher
from exporters.gpu import COLLECTOR, Gpu
from exporters.runner import Runner, Watched
from tests.exporters.exposition import Samples, check_metrics
from tests.exporters.pages import serving_page

MIB = 2.0**20

PAGE = b"""# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",device="nvidia0",modelName="H100",Hostname="n1",hpc_job="7"} 50
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",device="nvidia0",modelName="H100",Hostname="n1",hpc_job="8"} 50
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",device="nvidia0",modelName="H100",Hostname="n1",hpc_job="7"} 1024
DCGM_FI_DEV_FB_FREE{gpu="0",UUID="GPU-a",device="nvidia0",modelName="H100",Hostname="n1",hpc_job="7"} 3072
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-a",modelName="H100",hpc_job="7"} 5000
DCGM_FI_DEV_MEMORY_TEMP{gpu="0",UUID="GPU-a",modelName="H100"} 0
DCGM_FI_PROF_SM_ACTIVE{gpu="0",UUID="GPU-a",modelName="H100"} 9223372036854775795
DCGM_FI_PROF_DRAM_ACTIVE{gpu="0",UUID="GPU-a",modelName="H100"} 9223372036854775794
DCGM_FI_PROF_PCIE_TX_BYTES{gpu="0",UUID="GPU-a",modelName="H100"} 1e18
DCGM_FI_DEV_SM_CLOCK{gpu="1",uuid="GPU-b",model_name="H100",GPU_I_PROFILE="1g.10gb",GPU_I_ID="9"} 1980
DCGM_FI_DEV_POWER_USAGE{gpu="0" nonsense
"""
FIRST = {"gpu": "0", "uuid": "GPU-a", "model": "H100", "mig_profile": "", "mig_id": ""}
SLICE = {"gpu": "1", "uuid": "GPU-b", "model": "H100", "mig_profile": "1g.10gb", "mig_id": "9"}


def collect(page: bytes) -> tuple[Samples, Context]:
    """Collect from a page."""
    context = Context()
    return Samples(Gpu(context, lambda: page).collect()), context


def test_base_units_and_labels_of_all_versions() -> None:
    """Percent become ratios, MiB bytes, mJ joules, MHz hertz; both spellings of labels are one."""
    samples, context = collect(PAGE)
    assert samples("gpu_up", reason="") == 1
    assert samples("gpu_utilization_ratio", **FIRST) == 0.5
    assert samples("gpu_memory_used_bytes", **FIRST) == 1024 * MIB
    assert samples("gpu_memory_total_bytes", **FIRST) == 4096 * MIB
    assert samples("gpu_energy_joules_total", **FIRST) == 5
    assert samples("gpu_sm_clock_hertz", **SLICE) == 1.98e9
    assert context.malformed.count == 1


def test_jobs_do_not_multiply_series() -> None:
    """A GPU that two jobs share has each figure once, and an info series a job."""
    samples, _ = collect(PAGE)
    assert samples.labels("gpu_utilization_ratio") == [FIRST]
    assert [labels["hpc_job"] for labels in samples.labels("gpu_job_info")] == ["7", "8"]


def test_what_is_absent_is_no_zero() -> None:
    """Sentinels are told apart: not permitted is refused, blank is not offered."""
    samples, _ = collect(PAGE)
    absent = {
        labels["field"]: labels["reason"] for labels in samples.labels("gpu_field_absent") if labels["gpu"] == "0"
    }
    assert (
        absent
        | {
            "sm_active_ratio": "refused",
            "dram_active_ratio": "not offered",
            "memory_temperature_celsius": "not offered",
            "tensor_active_ratio": "not offered",
        }
        == absent
    )
    assert not {"gpu_sm_active_ratio", "gpu_dram_active_ratio", "gpu_memory_temperature_celsius"} & samples.names()


def test_implausible_rates_are_clamped_and_counted() -> None:
    """No PCIe link carries 1e18 bytes a second."""
    samples, _ = collect(PAGE)
    assert samples("gpu_pcie_transmit_bytes_per_second", **FIRST) == 256e9
    assert samples("gpu_implausible_values_total", field="pcie_transmit_bytes_per_second") == 1


def test_a_ratio_is_the_nearest_number() -> None:
    """94 % is 0.94, not 0.9400000000000001."""
    samples, _ = collect(PAGE.replace(b"} 50", b"} 94"))
    assert samples("gpu_utilization_ratio", **FIRST) == 0.94


def test_what_is_not_about_a_gpu() -> None:
    """Switches, links and CPUs are on the same page, without a GPU's labels: passed over, not malformed."""
    samples, context = collect(
        b'DCGM_FI_DEV_NVSWITCH_TEMPERATURE_CURRENT{nvswitch="nvswitch0",Hostname="n1"} 40\n'
        b'DCGM_FI_DEV_CPU_UTIL_TOTAL{cpu="0",Hostname="n1"} 0.1\n'
        b'DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL{gpu="0",gpu_uuid="GPU-a",nvlink="1"} 4\n'
        b'DCGM_EXP_XID_ERRORS_COUNT{gpu="0",UUID="GPU-a",xid="31"} 2\n'
        b'DCGM_FI_DEV_XID_ERRORS{gpu="0",UUID="GPU-a",modelName="H100",err_code="31",err_msg="page fault"} 31\n'
        b'DCGM_FI_DEV_GPU_TEMP{Hostname="n1"} 40\n'
    )
    assert context.malformed.count == 1, "a GPU's temperature without a GPU"
    assert samples.labels("gpu_last_xid_code") == [FIRST]
    assert {labels["gpu"] for labels in samples.labels("gpu_field_absent")} == {"0"}


def test_labels_that_only_some_lines_have() -> None:
    """A GPU is one device, though its model is on one line only and its UUID is missing on another."""
    samples, context = collect(
        b'DCGM_FI_DEV_GPU_TEMP{gpu="0"} 40\nDCGM_FI_DEV_SM_CLOCK{gpu="0",UUID="GPU-a"} 1\n'
        b'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",modelName="H100"} 5\n'
    )
    for name in ("gpu_temperature_celsius", "gpu_sm_clock_hertz", "gpu_utilization_ratio"):
        assert samples.labels(name) == [FIRST]
    assert context.malformed.count == 0


def test_names_of_dcgm_exporter_1() -> None:
    """Later ones still write them where they are given its list of fields."""
    samples, _ = collect(
        b'dcgm_gpu_utilization{gpu="0",uuid="GPU-a"} 50\ndcgm_fb_used{gpu="0",uuid="GPU-a"} 1\n'
        b'dcgm_fi_prof_dram_active{gpu="0",uuid="GPU-a"} 0.25\n'
    )
    device = {**FIRST, "model": ""}
    assert samples("gpu_utilization_ratio", **device) == 0.5
    assert samples("gpu_memory_used_bytes", **device) == MIB
    assert samples("gpu_dram_active_ratio", **device) == 0.25


def test_the_enforced_power_limit_counts() -> None:
    """Whichever of the two limits comes first on the page."""
    limits = [b'DCGM_FI_DEV_POWER_MGMT_LIMIT{gpu="0"} 700', b'DCGM_FI_DEV_ENFORCED_POWER_LIMIT{gpu="0"} 500']
    for lines in (limits, limits[::-1]):
        samples, _ = collect(b"\n".join(lines))
        assert samples("gpu_power_limit_watts", **FIRST | {"uuid": "", "model": ""}) == 500


def test_a_page_as_others_may_write_it() -> None:
    """Windows' line ends, times, exemplars, the end mark of OpenMetrics."""
    samples, context = collect(
        b"# TYPE DCGM_FI_DEV_GPU_TEMP unknown\r\n"
        b'DCGM_FI_DEV_GPU_TEMP{ gpu="0" , UUID="GPU-a", modelName="H100", } 40 1700000000000\r\n'
        b'DCGM_FI_DEV_SM_CLOCK{gpu="0",UUID="GPU-a"} 1 1700000000.123 # {trace_id="x} #"} 0.5 1700000000.1\r\n'
        b"# EOF\r\n"
    )
    assert context.malformed.count == 0
    assert samples("gpu_temperature_celsius", **FIRST) == 40
    assert samples("gpu_sm_clock_hertz", **FIRST) == 1e6


def test_a_silent_exporter_leaves_time_for_nvidia_smi(tmp_path: Path) -> None:
    """Both together stay within the deadline of a scrape."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/metrics"
        context = Context(environment={"PATH": f"{tmp_path}:/usr/bin:/bin"}, options={"dcgm-url": [url]})
        gpu = COLLECTOR.create(context)
        begun = time.monotonic()
        samples = Samples(gpu.collect())
        assert time.monotonic() - begun < 1
    assert samples("gpu_source_up", source="dcgm-exporter", reason="it does not answer in time") == 0
    assert samples("gpu_source_up", source="nvidia-smi", reason="its first run has not ended") == 0


def test_the_age_of_values_that_stand_still_is_shown() -> None:
    """dcgm-exporter may refresh every 30 s: the age grows until something changes."""
    pages = iter([PAGE, PAGE, PAGE.replace(b" 1980", b" 1950")])
    times = iter([100.0, 107.0, 109.0])
    gpu = Gpu(Context(), lambda: next(pages), clock=lambda: next(times))
    assert [Samples(gpu.collect())("gpu_sample_age_seconds") for _ in range(3)] == [0, 7, 0]


def test_without_a_source_it_says_so() -> None:
    """An ordinary node has no GPU; that is said, not hidden."""
    assert (
        Samples(Gpu(Context(), None).collect())(
            "gpu_up", reason="dcgm-exporter: no --dcgm-url; nvidia-smi: not on PATH"
        )
        == 0
    )


@pytest.fixture
def served() -> Iterator[str]:
    """The page over HTTP."""
    with serving_page(PAGE) as url:
        yield url


def test_over_http(served: str) -> None:
    """A page is fetched; an error is the reason of gpu_up 0, the same at each scrape."""
    context = Context()
    gpu = Gpu(context, fetcher(f"{served}/metrics", "dcgm-url"))
    scrape = Runner([Watched(gpu, context.malformed)], 5.0, "1").scrape()
    assert not scrape.failed
    assert Samples.parse(scrape.text)("gpu_utilization_ratio", **FIRST) == 0.5
    check_metrics(scrape.text)
    gone = Samples(Gpu(Context(), fetcher(f"{served}/gone", "dcgm-url")).collect())
    assert gone("gpu_up", reason="dcgm-exporter: it answers with HTTP 404; nvidia-smi: not on PATH") == 0


def test_a_page_behind_a_password(served: str, tmp_path: Path) -> None:
    """The password comes from a file that nobody else can read."""
    secret = tmp_path / "secret"
    secret.write_text("user:word\n")
    secret.chmod(0o600)
    options = {"dcgm-url": [f"{served}/locked"], "dcgm-password-file": [str(secret)]}
    assert Samples(COLLECTOR.create(Context(options=options)).collect())("gpu_up", reason="") == 1
    without = Samples(Gpu(Context(), fetcher(f"{served}/locked", "dcgm-url")).collect())
    assert without("gpu_source_up", source="dcgm-exporter", reason="it answers with HTTP 401") == 0


def test_nobody_there() -> None:
    """A port where nothing listens is a reason, not a failure."""
    samples = Samples(Gpu(Context(), fetcher("http://127.0.0.1:9/metrics", "dcgm-url")).collect())
    why = "it is not to be reached: ConnectionError"
    assert samples("gpu_source_up", source="dcgm-exporter", reason=why) == 0


@pytest.mark.parametrize("url", ["nonsense", "file:///etc/passwd", "http://user:word@127.0.0.1/metrics"])
def test_addresses_that_are_none(url: str) -> None:
    """What is no HTTP address, or would put a password on the command line, is refused."""
    with pytest.raises(OptionError, match="--dcgm-url"):
        fetcher(url, "dcgm-url")


@given(st.lists(st.tuples(st.sampled_from(PAGE.splitlines()), st.integers(0, 120), st.binary(max_size=3)), max_size=8))
def test_no_page_raises(parts: list[tuple[bytes, int, bytes]]) -> None:
    """Lines that were cut and written over cost at most themselves; no figure is beyond its limits."""
    samples, _ = collect(b"\n".join(line[:at] + noise + line[at + len(noise) :] for line, at, noise in parts))
    for labels in samples.labels("gpu_utilization_ratio"):
        assert 0 <= (samples("gpu_utilization_ratio", **labels) or 0) <= 1
