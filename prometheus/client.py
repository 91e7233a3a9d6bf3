"""Prometheus's HTTP API (v1), as far as a run needs it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import requests
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class PrometheusError(Exception):
    """Prometheus did not do what was asked; the text says what, where, and the mend."""


class RefusedError(PrometheusError):
    """Prometheus answered that it cannot: a query that does not parse, too many samples. `reason` is its own word."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class Series:
    """One series: its labels, and samples as UTC seconds and values of equal length (NaN kept as NaN)."""

    labels: Mapping[str, str]
    times: Floats
    values: Floats


@dataclass(frozen=True)
class ActiveTarget:
    """A target as Prometheus sees it. `health` is up, down or unknown (not scraped yet)."""

    job: str
    labels: Mapping[str, str]
    health: str
    last_error: str


class Client:
    """Talks to one Prometheus with basic authentication; the password is read from its file at each call.

    `ca_file`: the CA by which one that speaks TLS is known.
    """

    def __init__(
        self, url: str, user: str, password_file: Path, timeout: float = 30.0, ca_file: Path | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._user = user
        self._password_file = password_file
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # a site's proxy must not stand between us and our own node
        if ca_file is not None:
            self._session.verify = str(ca_file)

    @classmethod
    def of(cls, endpoints: Mapping[str, str], timeout: float = 30.0) -> Self:
        """Return a client of the Prometheus that a manifest's `endpoints` tell of. Raises KeyError: of none."""
        ca = endpoints.get("prometheus_ca")
        password_file = Path(endpoints["prometheus_password_file"])
        return cls(
            endpoints["prometheus"], endpoints["prometheus_user"], password_file, timeout, Path(ca) if ca else None
        )

    def ready(self) -> bool:
        """Tell whether it answers queries."""
        try:
            return bool(self._send("GET", "/-/ready").status_code == requests.codes.ok)
        except PrometheusError:
            return False

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """Evaluate an instant query at UTC seconds `at`. Raises PrometheusError."""
        data = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
        result = self._ask("POST", "/api/v1/query", data)
        if result["resultType"] == "scalar":
            return [_series({}, [result["result"]])]
        return [_series(item["metric"], [item["value"]]) for item in result["result"] if "value" in item]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Evaluate a range query from `start` to `end` (UTC seconds) each `step` seconds. Raises PrometheusError."""
        data = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        result = self._ask("POST", "/api/v1/query_range", data)
        return [_series(item["metric"], item["values"]) for item in result["result"] if "values" in item]

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """Return raw samples of a selector with their own time stamps. Raises PrometheusError."""
        window = max(1, math.ceil(end - start))
        result = self._ask("POST", "/api/v1/query", {"query": f"{selector}[{window}s]", "time": f"{end:.3f}"})
        return [_series(item["metric"], item["values"]) for item in result["result"] if "values" in item]

    def label_values(self, label: str, start: float, end: float) -> list[str]:
        """Return the values of a label in a time range; of `__name__`: the metric names. Raises PrometheusError."""
        path = f"/api/v1/label/{label}/values?start={start:.3f}&end={end:.3f}"
        values: list[str] = self._ask("GET", path)
        return values

    def targets(self) -> list[ActiveTarget]:
        """Return the targets that are scraped. Raises PrometheusError."""
        active = self._ask("GET", "/api/v1/targets?state=active")["activeTargets"]
        return [ActiveTarget(t["labels"].get("job", ""), t["labels"], t["health"], t["lastError"]) for t in active]

    def snapshot(self) -> str:
        """Have a snapshot made; returns its name under DATA/snapshots. Raises PrometheusError."""
        name: str = self._ask("POST", "/api/v1/admin/tsdb/snapshot", timeout=300.0)["name"]
        return name

    def version(self) -> str:
        """Return the release that answers. Raises PrometheusError."""
        version: str = self._ask("GET", "/api/v1/status/buildinfo")["version"]
        return version

    def _ask(self, method: str, path: str, data: Mapping[str, str] | None = None, timeout: float | None = None) -> Any:
        answer = self._send(method, path, data, timeout)
        try:
            body = answer.json()
        except ValueError as error:
            raise PrometheusError(f"{self.url}{path} answers {answer.status_code} and no JSON") from error
        if body.get("status") != "success":
            reason = str(body.get("error", "no reason given"))
            raise RefusedError(f"{self.url}{path}: {reason} (asked: {data})", reason)
        return body.get("data", body)

    def _send(
        self, method: str, path: str, data: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> requests.Response:
        try:
            auth = (self._user, self._password_file.read_text().strip())
            answer = self._session.request(
                method, f"{self.url}{path}", data=data, auth=auth, timeout=timeout or self._timeout
            )
        except OSError as error:  # requests' errors are OSErrors too
            raise PrometheusError(
                f"Prometheus at {self.url} does not answer ({type(error).__name__}: {error})"
            ) from error
        if answer.status_code == requests.codes.unauthorized:
            raise PrometheusError(f"{self.url} refuses our password: another Prometheus holds the port")
        return answer


def _series(labels: Mapping[str, str], samples: list[list[Any]]) -> Series:
    times = np.array([sample[0] for sample in samples], dtype=np.float64)
    values = np.array([float(sample[1]) for sample in samples], dtype=np.float64)
    return Series(labels, times, values)
