"""Where metrics come from."""

import pytest

from prometheus import origins


@pytest.mark.parametrize(
    ("metric", "what", "names"),
    [
        ("vllm:kv_cache_usage_perc", "service", ("vllm",)),
        ("nv_inference_count", "service", ("triton",)),
        ("node_cpu_seconds_total", "sidecar", ("node",)),
        ("load_files_bytes_total", "load", ("files",)),
        ("load_requests_total", "load", ()),
        ("load:request_rate", "rule", ()),
        ("up", "prometheus", ()),
        ("DCGM_FI_DEV_GPU_UTIL", "elsewhere", ()),
    ],
)
def test_origins(metric: str, what: str, names: tuple[str, ...]) -> None:
    """The longest prefix decides."""
    found = origins.origin(metric)
    assert found is not None
    assert (found.what, found.names) == (what, names)


def test_unknown_names_have_no_origin() -> None:
    """`upload_bytes` is not `up`."""
    assert origins.origin("upload_bytes") is None
    assert origins.origin("my_metric") is None
