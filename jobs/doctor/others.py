"""The checks of a node on the job's other nodes: `python -m jobs.doctor.others FOLDER` there, one answer a node."""

import json
import socket
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from jobs.allocations.srun import StepError
from jobs.doctor.base import Check, Context, Line, ask
from jobs.doctor.steps import accepted, hosts
from runs import atomic
from runs.recipe import Recipe
from runs.site import Site

_GROUPS = ("disk", "node")
_ASKED = "context.json"


def _look(context: Context) -> Iterable[Line]:
    here = socket.gethostname().partition(".")[0]
    names = [name for name in hosts() if name.partition(".")[0] != here] if context.job else []
    if not names or context.shared is None:
        return
    folder = context.shared / "others"
    folder.mkdir(mode=0o700)
    words = {
        "site": context.site.model_dump(mode="json"),
        "recipe": context.recipe.model_dump(mode="json", by_alias=True) if context.recipe is not None else None,
        "root": str(context.root.absolute()),
    }
    atomic.write(folder / _ASKED, json.dumps(words))
    try:
        srun = accepted(context.site.launcher, names)
    except StepError:
        return  # told by the check of srun
    answer = ask([*srun.command(names, "doctor"), sys.executable, "-P", "-m", "jobs.doctor.others", str(folder)], 100.0)
    for name in names:
        path = folder / f"{name.partition('.')[0]}.json"
        if not path.is_file():
            yield Line(name, "degraded", f"not looked at: {answer.reason}")
            continue
        lines = [Line(**line) for line in json.loads(path.read_text())]
        good = [line.what for line in lines if line.state == "ok"]
        yield Line(f"{name} itself", "ok", ", ".join(good))
        for line in lines:
            if line.state != "ok":
                yield replace(line, what=f"{name}: {line.what}")


def main(argv: list[str]) -> int:
    """Look at this node."""
    from jobs.doctor import checks  # noqa: PLC0415 - these find this file
    from jobs.doctor.runner import examine  # noqa: PLC0415 - with them

    folder = Path(argv[0])
    asked = json.loads((folder / _ASKED).read_text())
    recipe = Recipe.model_validate(asked["recipe"]) if asked["recipe"] is not None else None
    context = Context(Site.model_validate(asked["site"]), recipe, Path(asked["root"]), "job")
    chosen = [check for check in checks() if check.group in _GROUPS]
    lines = [asdict(line) for _, found in examine(context, chosen) for line in found]
    atomic.write(folder / f"{socket.gethostname().partition('.')[0]}.json", json.dumps(lines))
    return 0


CHECK = Check("other nodes", "between nodes", _look, within=150.0, order=2)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
