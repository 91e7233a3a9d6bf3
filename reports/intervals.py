"""95 % intervals of counts and shares, and the quantile that repeats are judged by.

Sources: E. B. Wilson, JASA 22 (1927), for shares; Student, Biometrika 6 (1908), for means of few; R. A. Fisher,
E. A. Cornish, Technometrics 2 (1960), for means of many.
"""

import math

_Z = 1.959963984540054
"""Quantile 97.5 % of the normal distribution."""
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Quantile 97.5 % of Student's t for 1 to 30 degrees of freedom."""


def poisson_rate(rate: float, seconds: float) -> tuple[float, float]:
    """Return the interval of a rate of events counted over `seconds`, as if they came as a Poisson process.

    Answers of a constant schedule or of a closed loop scatter less: for them it is too wide, never too narrow.
    """
    reach = _Z * math.sqrt(max(1.0, rate * seconds)) / seconds
    return max(0.0, rate - reach), rate + reach


def share(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's score interval of a share of `n`, which holds for none and for all of them as well."""
    ratio, z2 = hits / n, _Z * _Z
    middle = (ratio + z2 / (2 * n)) / (1 + z2 / n)
    reach = _Z / (1 + z2 / n) * math.sqrt(ratio * (1 - ratio) / n + z2 / (4 * n * n))
    return (0.0 if hits == 0 else middle - reach), (1.0 if hits == n else middle + reach)


def student(degrees: int) -> float:
    """Return quantile 97.5 % of Student's t; above 30 degrees by two terms of the expansion, right to 0.001."""
    if degrees <= len(_T):
        return _T[degrees - 1]
    z, n = _Z, degrees
    return z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n * n)
