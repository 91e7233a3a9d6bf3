"""The Slurm job of a run: golden files, and names that would be commands to a careless shell."""

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import sbatch
from runs import document, reader, site
from runs.directory import RunDirectory
from runs.recipe import Strict
from runs.site import Site

GOLDEN = Path(__file__).parent / "golden"


class Anything(Strict):
    """Options of a made-up kind."""


CATALOG = reader.Catalog({"llamacpp": Anything}, {"openai": Anything}, ("node", "cgroup", "process"))
REST = "services: {llm: {kind: llamacpp}}\nload: {generator: openai, phases: [{name: steady, for: 1s, rate: 1}]}\n"


def recipe(allocation):
    """Make a recipe with an allocation."""
    return reader.check(document.parse(f"name: job\nallocation: {allocation}\n{REST}", "r", ()), CATALOG)[0]


@pytest.mark.parametrize(
    ("name", "allocation"),
    [
        ("plain", "{}"),
        ("meluxina", "{nodes: 2, time: '00:20:00', gpus_per_node: 4, partition: gpu, account: p200981, qos: default}"),
        ("full", "{nodes: 3, time: 1-00:00:30, cpus_per_node: 8, memory: 16G, reservation: day, constraint: a&b}"),
        (
            "components",
            """{time: '00:20:00', account: p200981, qos: default, mail: {user: me@site.lu, type: 'END,FAIL'},
            components: [
            {name: gpu, nodes: 1, partition: gpu, gpus_per_node: 4},
            {name: cpu, nodes: 2, partition: cpu, cpus_per_node: 8, memory: 16G, constraint: x}]}""",
        ),
        ("dependent", "{dependency: 'afterok:1234', mail: {user: me}}"),
        ("hostile", r'{partition: "a b\"$(touch x)\n#SBATCH --wrap=id", account: "`id`; rm -rf $HOME"}'),
    ],
)
def test_rendered_job(name, allocation, golden):
    """Command line and script are as they were looked at; hostile words stay one argument each."""
    run = RunDirectory(Path('/project/home/it\'s a "root" %j $(id)/20261124-010203-job-a1b2'))
    made = sbatch.render(run, recipe(allocation), python="/opt/dash cam/bin/python")
    text = "\n".join([*(f"argv: {word!r}" for word in made.argv), "", made.script])
    golden(GOLDEN / f"sbatch-{name}.txt", text)


def test_jobs_of_a_sweep_wait_for_each_other():
    """They have one name, and each waits for those before it, and for what the recipe waits for."""
    run = RunDirectory(Path("/r/20261124-010203-job-a1b2-0002"))
    made = sbatch.render(run, recipe("{dependency: 'afterok:7'}"), job_name="dashcam-x", singleton=True)
    assert {"--job-name=dashcam-x", "--dependency=singleton,afterok:7"} <= set(made.argv)


SITES = {
    "site-meluxina": site.load("meluxina"),
    "site-hostile": Site.model_validate(
        {
            "name": "hostile",
            "modules": {
                "init": "/apps/a b/$(touch x)/init",
                "use": ["$HOME/it's `id` $(id)/modules", "${SCRATCH}/m"],
                "load": ["env/release/2024.1"],
            },
        }
    ),
}


@pytest.mark.parametrize("name", SITES)
def test_rendered_job_of_a_site(name, golden):
    """The modules of a site's profile are loaded by a login shell; a word of it that is hostile stays a word."""
    run = RunDirectory(Path("/project/home/p200981/it's/20261124-010203-job-a1b2"))
    made = sbatch.render(
        run, recipe("{account: p200981, partition: gpu}"), "/opt/dash cam/bin/python", site=SITES[name]
    )
    text = "\n".join([*(f"argv: {word!r}" for word in made.argv), "", made.script])
    golden(GOLDEN / f"sbatch-{name}.txt", text)


MODULE = """module() { echo "module $*" >>"$LOG"; [ "$2" != "$REFUSED" ]; }
export -f module
"""


@pytest.mark.parametrize(
    ("defined", "refused", "calls", "said"),
    [
        (True, "", ["use", "use", "load"], "-P -m jobs.guard /r/it's"),
        (True, "env/release/2024.1", ["use", "use", "load"], "--lost `module load env/release/2024.1` failed: see"),
        (True, "/m", ["use", "use"], "--lost `module use ${SCRATCH}/m` failed: see"),
        (False, "", [], "--lost this node has no command `module`: see"),
    ],
)
def test_modules_are_loaded_or_the_guard_is_told(tmp_path, defined, refused, calls, said):
    """bash runs the script: each step in its order, and one that fails becomes the reason of the run's end."""
    script = sbatch.render(RunDirectory(Path("/r/it's")), recipe("{}"), "/bin/echo", site=SITES["site-hostile"]).script
    log = tmp_path / "log"
    env = {"PATH": "/usr/bin:/bin", "HOME": "/h o", "SCRATCH": "", "LOG": str(log), "REFUSED": refused}
    text = (MODULE if defined else "") + script
    done = subprocess.run(["bash", "-s"], input=text, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said in done.stdout
    assert done.stdout.count("jobs.guard") == 1
    told = log.read_text().splitlines() if log.exists() else []
    assert [line.split()[1] for line in told] == calls
    if told:
        assert told[0] == "module use /h o/it's `id` $(id)/modules"
    assert [path.name for path in tmp_path.iterdir()] == (["log"] if told else [])


@given(
    st.text(alphabet=st.characters(blacklist_characters="\0/", blacklist_categories=("Cs",)), min_size=1, max_size=40)
)
def test_any_directory_name_is_one_word_of_the_script(name):
    """The script's command has the run's path as one word, whatever it holds, and bash takes it for a script."""
    run = RunDirectory(Path("/r") / name)
    script = sbatch.render(run, recipe("{}"), python="/bin/python").script
    command = script.split("\n", 2)[2]
    assert shlex.split(command) == ["exec", "/bin/python", "-P", "-m", "jobs.guard", str(run.path)]


def test_script_is_bash():
    """bash reads the script of a hostile path without running a word of it."""
    run = RunDirectory(Path("/r/$(exit 3)`exit 4`'\"\n"))
    script = sbatch.render(run, recipe("{}"), python="/bin/echo").script
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == f"-P -m jobs.guard {run.path}\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "0-00:01:00"), (86400 + 3661, "1-01:01:01"), (0.5, "0-00:00:01"), (1200, "0-00:20:00")]
)
def test_time_limits(seconds, text):
    """A limit is written as D-HH:MM:SS, rounded up."""
    assert sbatch.slurm_time(seconds) == text
