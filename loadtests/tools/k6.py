"""`k6`: Grafana's k6 beside our own client, for answers that come in one piece (it cannot see a first token).

Each phase is one k6. Evenly spaced phases run by k6's own executors, which drop what they have no user for; all other
open loops follow our schedule, whose times k6's users wait for. Requests come back as points (CSV), and k6's series go
into the run's Prometheus by remote write, whose arrival is checked, since k6 ends with 0 where nobody takes them.
"""

import asyncio
import gzip
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from loadtests import schedule
from loadtests.importers.base import ImporterError
from loadtests.importers.k6 import UNCORRECTED
from loadtests.k6 import command
from loadtests.k6.command import Push, Version
from loadtests.k6.follow import Follower
from loadtests.k6.options import OURS, Options
from loadtests.k6.presign import presigned
from loadtests.k6.remote import ARRIVED, Remote
from loadtests.k6.scenario import LEAD, own
from loadtests.k6.session import Session
from loadtests.outcome import SetupError
from loadtests.plan import LoadPlan
from loadtests.tools.base import ToolError, ToolKind
from loadtests.tools.child import Child, tail
from loadtests.tools.stage import Stage
from runs import atomic

_SCRIPTS = Path(command.__file__).parent
_BY_PROTOCOL = {"openai": "openai", "triton": "triton", "s3": "s3", "qdrant": "vector", "chroma": "vector"}
_MORE = 30.0
"""Seconds beyond phase and drain that k6 may take to make its users, and to write its summary and its HTML."""
_GRACE = 5.0
"""Seconds that k6 may take to end when it is told to: it still writes its summary."""


class K6:
    """Runs one k6 a phase."""

    def __init__(self, plan: LoadPlan, options: Options) -> None:
        self._plan = plan
        self._options = options
        self._place = plan.output / "k6"
        target = plan.target
        self._url = target.url.rstrip("/") if target else ""
        self._name = options.script or _BY_PROTOCOL.get(target.protocol if target else "", "url")
        self._script = Path(self._name)
        self._binary = ""
        self._version = Version(1, 0)
        self._push: Push | None = None
        self._remote: Remote | None = None
        self._child: Child | None = None
        self._urls = options.s3.urls_file if options.s3 else None

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.tools.base.Tool`."""
        ours = self._name in OURS
        self._binary = command.find()
        self._version = await asyncio.to_thread(command.version, self._binary)
        self._see(ours=ours)
        self._place.mkdir(exist_ok=True)
        if ours:
            for name in (f"{self._name}.js", "dashcam.js"):
                shutil.copyfile(_SCRIPTS / name, self._place / name)
            self._script = self._place / f"{self._name}.js"
        else:
            self._script = self._script.resolve()
        if self._name == "s3" and self._urls is None:
            self._urls = await asyncio.to_thread(self._sign)
        pushed = "nothing"
        if self._plan.prometheus is not None:
            self._remote = Remote(self._plan.prometheus)
            self._push = Push(self._plan.prometheus, native=await self._remote.takes_native())
            pushed = "native histograms" if self._push.native else "counters, and sum and count of times"
            if self._plan.prometheus.ca_file is not None:
                pushed += "; by TLS, the CA in SSL_CERT_FILE, since k6 has no option for one"
        return {"k6": str(self._version), "script": self._name, "url": self._url, "pushed_series": pushed}

    def _see(self, *, ours: bool) -> None:
        """See that k6 can do what is asked. Raises SetupError."""
        options, files = self._options, [] if ours else [("script", self._script)]
        if ours and self._name in {"vector", "triton", "s3"} and getattr(options, self._name) is None:
            raise SetupError(f"k6's script {self._name} needs what to ask for: give the keys under load.{self._name}")
        if options.s3 and options.s3.urls_file:
            files.append(("s3.urls_file", options.s3.urls_file))
        for key, path in files:
            if not path.is_file():
                raise SetupError(f"load.{key} {path} is no file: give the path of one, seen from the run")
        for phase in self._plan.load.phases:
            if phase.duration < 1.0:
                raise SetupError(f"phase {phase.name}: k6 runs for 1 s at least, not for {phase.duration:g} s")
            if phase.until is not None or phase.stagger:
                raise SetupError(f"phase {phase.name}: k6 knows no `{'until' if phase.until else 'stagger'}`")
            if not ours and phase.users is None and own(phase, "k6"):
                raise SetupError(f"phase {phase.name}: with a script of yours k6 spaces evenly: use arrival: constant")

    def _sign(self) -> Path | None:
        """Sign the URLs of all objects, into a file beside the key; None where the service has no key."""
        target, asked = self._plan.target, self._options.s3
        if target is None or target.secret_file is None or asked is None:
            return None
        path = target.secret_file.with_name(f"{target.secret_file.name}.urls")
        seconds = _MORE + sum(phase.duration + self._plan.load.drain + _MORE for phase in self._plan.load.phases)
        atomic.write(path, "\n".join(presigned(target, asked.objects, asked.region, seconds)), mode=0o600)
        return path

    async def run(self, stage: Stage) -> None:
        """See `loadtests.tools.base.Tool`."""
        phase, load, ours = stage.phase, self._plan.load, self._name in OURS
        scheduled = ours and own(phase, self._options.schedule)
        if phase.users is None and not scheduled:
            stage.note("latency", UNCORRECTED)
        due = [float(each) for each in schedule.offsets(phase, stage.index, load.seed)] if scheduled else None
        if due is not None and phase.requests is not None:
            due = due[: phase.requests]
        if due is not None and not due:
            stage.begin()
            await stage.rest()
            return
        session = Session(load, stage, due)
        plan = session.write(
            self._facts(), self._script, vus=self._options.vus, html=self._options.dashboard, ours=ours
        )
        tags = {"run_id": self._plan.run_id, "phase": phase.name, "role": "load"}
        began = time.monotonic()
        code, cut = await self._carry(session, plan, tags)
        self._judge(stage, session, code, cut)
        if not stage.asked.is_set():
            await asyncio.to_thread(_pack, session.files.points)
        if scheduled:
            await stage.rest()
        if self._remote is not None and not stage.asked.is_set():
            await self._check(self._remote, stage, tags, time.monotonic() - began)

    async def _carry(self, session: Session, plan: Path, tags: dict[str, str]) -> tuple[int, str]:
        """Run k6 and take its requests over as they end; returns its exit code and why it was told to end."""
        stage, load, files = session.stage, self._plan.load, session.files
        line = command.argv(self._binary, self._version, files, tags=tags, push=self._push)
        environment = command.environment(os.environ, self._version, files, plan=plan, push=self._push)
        self._child = child = await Child.start(line, env=environment, out=session.path("out"), cwd=stage.place)
        over, follower = asyncio.Event(), Follower(files.points)

        async def follow() -> None:
            async for found in follower.follow(over):
                session.take(found)
                stage.dropped = follower.dropped
            session.take([], last=True)

        reading = asyncio.create_task(follow())
        try:
            within = stage.phase.duration + LEAD + load.drain + _MORE
            code = await child.wait(stage.asked, hurry=max(stage.hurry, _GRACE), within=within)
        finally:
            over.set()
            try:
                await reading
            except ImporterError as error:
                raise ToolError(f"k6's points cannot be read: {error}") from error
        return code, child.cut

    def _judge(self, stage: Stage, session: Session, code: int, cut: str) -> None:
        """Say what an exit code means. Raises ToolError for an end that leaves no load to speak of."""
        name = stage.phase.name
        if code not in {0, 99, 110} and cut != "asked":
            words = f"k6 took longer than phase {name}" if cut else command.EXITS.get(code, "it does not say why")
            last = tail(session.path("err")) or tail(session.path("out")) or tail(session.files.console)
            raise ToolError(f"k6 ended phase {name} with exit code {code} ({words}): {last}")
        if code in {99, 110}:
            stage.warn(f"phase {name}: k6 ended with {code}: {command.EXITS[code]}")
        if cut == "asked":
            stage.end()
        counted = _counted(session.summary)
        if counted is not None and counted != stage.sent and cut != "asked":
            stage.warn(f"phase {name}: k6 counts {counted} requests, its points hold {stage.sent}")

    async def _check(self, remote: Remote, stage: Stage, tags: dict[str, str], seconds: float) -> None:
        """See that k6's series are in the run's Prometheus."""
        arrived = await remote.requests(tags, seconds + 60.0)
        stage.note(f"pushed_{stage.phase.name}", {"requests": stage.sent, "arrived": arrived})
        if arrived is None:
            stage.warn(
                f"phase {stage.phase.name}: the run's Prometheus does not answer, so k6's own series are missing"
            )
        elif arrived < ARRIVED * stage.sent:
            text = f"of {stage.sent} requests k6's own series hold {arrived:.0f}: its remote write did not arrive"
            stage.warn(f"phase {stage.phase.name}: {text}")

    def _facts(self) -> dict[str, Any]:
        """Return what the script is told; the secret itself stays in its file."""
        target = self._plan.target
        facts = self._options.model_dump(mode="json", include={"openai", "vector", "triton", "s3", "request"})
        if target is not None and not facts["openai"]["model"]:
            facts["openai"]["model"] = target.model
        # S3's key signs URLs and is never sent.
        secret = target.secret_file if target is not None and self._name != "s3" else None
        header = "api-key" if self._options.vector and self._options.vector.database == "qdrant" else "Authorization"
        return facts | {
            "url": self._url, "secret_file": None if secret is None else str(secret), "secret_header": header,
            "urls_file": None if self._urls is None else str(self._urls),
        }  # fmt: skip

    async def close(self) -> None:
        """See `loadtests.tools.base.Tool`."""
        if self._child is not None:
            self._child.kill()
        if self._remote is not None:
            await self._remote.close()


def _pack(points: Path) -> None:
    """Pack k6's points, which are a kilobyte a request; our records hold what is in them."""
    packed = points.with_suffix(".csv.gz")
    with points.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as sink:
        shutil.copyfileobj(source, sink)
    points.unlink()


def _counted(summary: Path) -> int | None:
    """Return how many requests k6 counts in its own summary; None: it left none."""
    try:
        return int(json.loads(summary.read_bytes())["metrics"]["http_reqs"]["values"]["count"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


TOOL = ToolKind(name="k6", Options=Options, create=K6)
