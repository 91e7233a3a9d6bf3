"""Noise alone makes no run INVALID."""

import numpy as np
import pytest

from reports import verdict
from tests.reports import recording as made


@pytest.mark.parametrize("kind", ["many places", "one place, busy"])
def test_clean_poisson_runs_are_never_invalid(kind: str) -> None:
    """200 clean runs at low and higher rates, short and long, of each kind of service: none is INVALID."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        rate, seconds = float(rng.choice([0.5, 2.0, 5.0, 20.0, 50.0])), float(rng.choice([3.0, 10.0, 30.0]))
        if kind == "many places":
            mean = float(rng.choice([0.005, 0.2, 1.0]))

            def service(_at: float, rng: np.random.Generator = rng, mean: float = mean) -> float:
                return float(rng.exponential(mean))

        else:
            service = made.queue(rng, 0.7 / rate)
        begin = 5.0
        rows = [
            *made.open_loop(rng, "warmup", 0.0, begin, rate=rate, service=service),
            *made.open_loop(rng, "steady", begin, seconds, rate=rate, service=service),
        ]
        if not any(one["phase"] == "steady" for one in rows):
            continue  # a rate of 0.5/s for 3 s may well send nothing; then there is nothing to judge
        for one in rows:
            one["sent"] = one["intended"] + float(rng.exponential(0.0003))
            one["done"] = max(one["done"], one["sent"])
        phases = (made.WARMUP, made.span("steady", begin, seconds, rate=rate, arrival="poisson"))
        found = verdict.judge(made.evidence(rows, phases=phases))
        assert found.valid, (seed, rate, seconds, [finding.message for finding in found.findings])
