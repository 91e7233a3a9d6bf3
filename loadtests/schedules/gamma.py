"""`gamma`: gaps of a gamma distribution with shape k = burstiness and mean 1/rate.

The density of a gap g is proportional to g**(k-1) exp(-k rate g): its coefficient of variation is 1/sqrt(k), so that
k = 1 is Poisson, k < 1 comes in bursts and k > 1 is more even. The parameter is that of `vllm bench serve
--burstiness`; unlike there, nothing is rescaled to end at N/rate, so that the number of requests varies as it should
(by about mean/k).
"""

from collections.abc import Iterator

import numpy as np

from loadtests.schedules.base import CHUNK, Arrival, Times, summed


def _units(random: np.random.Generator, burstiness: float) -> Iterator[Times]:
    return summed(lambda: random.gamma(burstiness, 1.0 / burstiness, size=CHUNK))


ARRIVAL = Arrival("gamma", _units)
