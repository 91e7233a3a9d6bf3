"""What k6 pushed, asked of the run's Prometheus: k6 ends with 0 where nobody took its series."""

import asyncio
import base64
import json
import re
from typing import Any
from urllib.parse import urlencode

from loadtests.http import HttpClient
from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Series, trusting

_WITHIN = 5.0
_NATIVE_ALWAYS = (3, 9)
"""From this release on Prometheus takes native histograms without a flag."""
ARRIVED = 0.99
"""Share of the requests that must have arrived: the last push may be lost to its time out."""


class Remote:
    """Asks one Prometheus. Made inside a running loop; every answer comes within 5 s or is none."""

    def __init__(self, series: Series) -> None:
        """Read the password and the CA. Raises OSError."""
        word = base64.b64encode(f"{series.user}:{series.password()}".encode()).decode()
        self._url = series.url
        self._client = HttpClient({"Authorization": f"Basic {word}"}, trusting(series.ca_file))

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    async def takes_native(self) -> bool:
        """Tell whether the server takes native histograms; one that does not answer takes none."""
        flags, build = await self._ask("/api/v1/status/flags"), await self._ask("/api/v1/status/buildinfo")
        if not isinstance(flags, dict) or not isinstance(build, dict):
            return False
        return takes_native(str(flags.get("enable-feature", "")), str(build.get("version", "")))

    async def requests(self, tags: dict[str, str], seconds: float) -> float | None:
        """Return how many requests of k6 with these tags arrived in the last `seconds`; None: it does not answer."""
        selector = ",".join(f'{name}="{value}"' for name, value in tags.items())
        expression = f"sum(max_over_time(k6_http_reqs_total{{{selector}}}[{max(1, round(seconds))}s]))"
        found = await self._ask("/api/v1/query?" + urlencode({"query": expression}))
        try:
            result = found["result"]
            return float(result[0]["value"][1]) if result else 0.0
        except (KeyError, IndexError, TypeError, ValueError):
            return None

    async def _ask(self, path: str) -> Any:
        try:
            async with asyncio.timeout(_WITHIN):
                _, _, body = await self._client.ask("GET", self._url + path, Outcome())
            return json.loads(body).get("data")
        except (RequestFailed, TimeoutError, ValueError, AttributeError):
            return None


def takes_native(features: str, version: str) -> bool:
    """Tell it from the flag --enable-feature and the release."""
    release = re.match(r"(\d+)\.(\d+)", version)
    newer = release is not None and (int(release[1]), int(release[2])) >= _NATIVE_ALWAYS
    return newer or "native-histograms" in features.split(",")
