"""The preflight's checks against stand-ins of what no machine here has, and of programs that refuse."""

import os
import shutil
import sys

import pytest

from apptainer.cache import Cache
from apptainer.image import find
from jobs.doctor import (
    accounts,
    cgroup,
    clocks,
    containers,
    disk,
    exporters,
    gpu,
    grafana_server,
    leftovers,
    load_tools,
    local_disk,
    lustre,
    modules,
    placement,
    ports,
    prometheus,
    python,
    services,
    shared_paths,
    slurm,
    ssh,
    steps,
)
from jobs.doctor.base import Line
from jobs.doctor.disk import quota, written
from runs.site import Site
from tests.apptainer import standin
from tests.jobs.doctor.standins import context, lines, put, recipe


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Have no program on PATH but those that a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("GRAFANA_HOME", raising=False)
    return folder


@pytest.fixture
def in_job(tmp_path, monkeypatch, programs):
    """Be in a job of Slurm; returns the test's folder."""
    assert programs.is_dir()
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    return tmp_path


def test_prometheus(programs, tmp_path):
    """No Prometheus, no recording; promtool is a help."""
    found = lines(prometheus.CHECK, tmp_path)
    assert (found["prometheus"].state, found["prometheus"].needed) == ("missing", True)
    assert "apt-get install prometheus" in found["prometheus"].mend
    assert found["promtool"].state == "degraded"
    put(programs, prometheus="echo 'prometheus, version 3.5.1 (branch: HEAD)' >&2", promtool="exit 1")
    found = lines(prometheus.CHECK, tmp_path)
    assert found["prometheus"] == Line("prometheus", "ok", f"3.5.1 ({programs}/prometheus)")
    assert found["promtool"].detail.startswith("of a release that it does not tell")


def test_programs_in_images(programs, tmp_path, monkeypatch):
    """Where a recipe runs in images, what counts is the cache, not PATH; natively it is PATH, whatever is cached."""
    images_of = standin.install(programs, {})
    cache = Cache(tmp_path / "images")
    for name in ("prometheus", "node-exporter", "grafana", "dcgm-exporter", "postgres-exporter", "pgvector"):
        cache.pull(find(name), str(images_of))
    words = ("watch.exporters=[node, gpu]", f"images={cache.root}", "services.llm.kind=pgvector")
    asked = recipe(*words, "runtime=apptainer")
    assert lines(prometheus.CHECK, tmp_path, asked=asked)["prometheus"] == Line(
        "prometheus", "ok", f"3.5.0 (image {find('prometheus').file})"
    )
    states = {name: line.state for name, line in lines(exporters.CHECK, tmp_path, asked=asked).items()}
    assert states == dict.fromkeys(("prometheus-node-exporter", "dcgm-exporter", "prometheus-postgres-exporter"), "ok")
    assert lines(grafana_server.CHECK, tmp_path, asked=asked)["grafana"].state == "ok"
    monkeypatch.setattr("os.geteuid", lambda: 1000)  # PostgreSQL refuses root
    found = lines(services.CHECK, tmp_path / "with", asked=asked)["service llm (pgvector)"]
    assert found == Line("service llm (pgvector)", "ok", "llm (PostgreSQL) 17")
    cache.path(find("pgvector")).unlink()
    found = lines(services.CHECK, tmp_path / "without", asked=asked)["service llm (pgvector)"]
    assert (found.state, found.needed) == ("missing", True)
    assert "dashcam images pull pgvector" in found.detail
    (programs / "apptainer").unlink()
    found = lines(prometheus.CHECK, tmp_path, asked=asked)["prometheus"]
    assert (found.state, found.needed) == ("missing", True)
    assert lines(prometheus.CHECK, tmp_path, asked=recipe(*words))["prometheus"].detail.startswith("no prometheus")
    asked = recipe(*words, "runtime=apptainer", "watch.runtime=native")
    assert lines(prometheus.CHECK, tmp_path, asked=asked)["prometheus"].state == "missing"


def test_service_in_an_image_of_its_own(tmp_path):
    """A SIF file that a recipe names must be there."""
    words = ("runtime=apptainer", f"services.llm.image={tmp_path}/own.sif")
    (found,) = lines(services.CHECK, tmp_path, asked=recipe(*words)).values()
    assert (found.state, found.needed) == ("missing", True)
    (tmp_path / "own.sif").touch()
    (found,) = lines(services.CHECK, tmp_path / "there", asked=recipe(*words)).values()
    assert found.state == "ok"


def test_exporters(programs, tmp_path):
    """What a recipe watches by other people's exporters: node_exporter is needed, the others are a help."""
    asked = recipe("watch.exporters=[node, gpu]", "services.llm.kind=pgvector")
    found = lines(exporters.CHECK, tmp_path, asked=asked)
    assert found["prometheus-node-exporter"].needed
    assert found["dcgm-exporter"].state == "degraded"
    assert "pg_* series" in found["prometheus-postgres-exporter"].detail
    put(programs, node__exporter="echo 'node_exporter, version 1.9.1'")
    found = lines(exporters.CHECK, tmp_path)
    assert list(found) == ["prometheus-node-exporter"]
    assert found["prometheus-node-exporter"].state == "ok"
    asked = recipe("watch.exporters=[process]")
    assert not any(line.needed for line in lines(exporters.CHECK, tmp_path, asked=asked).values())


@pytest.mark.parametrize(
    ("mode", "state", "needed"), [("auto", "degraded", False), ("required", "missing", True), ("off", None, False)]
)
def test_grafana(programs, tmp_path, mode, state, needed):
    """Grafana is as needed as the recipe says."""
    assert programs.is_dir()
    found = lines(grafana_server.CHECK, tmp_path, asked=recipe(f"watch.grafana={mode}"))
    assert [(line.state, line.needed) for line in found.values()] == ([(state, needed)] if state else [])


def test_load_tools(programs, tmp_path):
    """k6 is needed where it makes the load, and not looked for where another does."""
    assert {line.state for line in lines(load_tools.CHECK, tmp_path).values()} == {"degraded"}
    assert not lines(load_tools.CHECK, tmp_path, asked=recipe())
    asked = recipe("load.generator=k6")
    assert lines(load_tools.CHECK, tmp_path, asked=asked)["k6"].needed
    put(programs, k6='[ "$1" = version ] && echo "k6 v1.1.0 (go1.24)"')
    assert "1.1.0" in lines(load_tools.CHECK, tmp_path, asked=asked)["k6"].detail


def test_services(programs, tmp_path):
    """A service whose program is not here is missing; on a login node of a site with modules it may be in the job."""
    asked = recipe("services.llm.command=[nowhere-serve]", "services.llm.port=9999")
    asked = asked.model_copy(
        update={"services": {"llm": asked.services["llm"].model_copy(update={"options": {"command": "nowhere-serve"}})}}
    )
    (line,) = lines(services.CHECK, tmp_path, asked=asked).values()
    assert (line.state, line.needed) == ("missing", True), line
    assert "nowhere-serve" in line.detail
    (line,) = lines(services.CHECK, tmp_path / "x", "login", "meluxina", asked=asked).values()
    assert line.state == "degraded"
    put(programs, nowhere_serve="exit 0")
    (line,) = lines(services.CHECK, tmp_path / "y", asked=asked).values()
    assert line.state == "ok", line


def test_containers(programs, tmp_path, monkeypatch):
    """Apptainer and the images that are there; on MeluXina's login nodes it is the module of the compute nodes."""
    assert lines(containers.CHECK, tmp_path)["apptainer"].state == "degraded"
    found = lines(containers.CHECK, tmp_path, "login", "meluxina")
    assert "Apptainer/1.3.6" in found["apptainer"].detail
    put(programs, apptainer="echo 'apptainer version 1.3.6-1.el8'")
    images = tmp_path / "images"
    profile = Site.model_validate({"name": "x", "paths": {"images": str(images)}})
    found = lines(containers.CHECK, tmp_path, profile=profile)
    assert "1.3.6" in found["apptainer"].detail
    assert found["images"].state == "missing"
    monkeypatch.delenv("DASHCAM_IMAGES", raising=False)
    cache = Cache(images)
    makes = 'for each; do case "$each" in *.sif.*) echo made > "$each" ;; esac; done'
    put(programs, apptainer=f"echo 'apptainer version 1.3.6-1.el8'; {makes}")
    cache.pull(find("prometheus"), shutil.which("apptainer"))
    found = lines(containers.CHECK, tmp_path, profile=profile)
    assert found["images"].detail.endswith(find("prometheus").file)
    with cache.path(find("prometheus")).open("a") as stream:
        stream.write("torn")
    assert "copy it anew" in lines(containers.CHECK, tmp_path, profile=profile)["image prometheus"].detail


def test_images_of_a_recipe(programs, tmp_path):
    """An image that a service cannot start without is needed; one of the recorder has a native stand-in."""
    put(programs, apptainer="echo 'apptainer version 1.3.6-1.el8'")
    asked = recipe("runtime=apptainer", f"images={tmp_path}", "services.llm.kind=pgvector")
    found = lines(containers.CHECK, tmp_path, asked=asked)
    assert found["image pgvector"].needed
    assert "dashcam images pull pgvector" in found["image pgvector"].detail
    assert "images" not in found


SINFO = """
echo 'cpu|cpu*|4|8|4000|10:00|(null)'
echo 'gpu|gpu|2|8|4000|10:00|gpu:2(S:0)'
"""


def test_slurm(programs, tmp_path):
    """What Slurm says goes before the profile, and where they differ that is told."""
    assert "dashcam run" in lines(slurm.CHECK, tmp_path)["Slurm"].detail
    put(programs, sbatch="echo 'slurm 23.11.9'", srun="exit 0", squeue="exit 0", scontrol="exit 0", sinfo=SINFO)
    found = lines(slurm.CHECK, tmp_path, "login", "lab")
    assert "23.11.9" in found["sbatch"].detail
    assert found["Slurm's programs"].detail == "no scancel on PATH"
    assert found["partitions"].detail == "cpu (4 nodes, 10m), gpu (2 nodes, 2 GPUs a node, 10m)"
    assert "cpu.gpus is 0, not 2" in found["profile"].detail
    assert "no partition largemem" in lines(slurm.CHECK, tmp_path, "login", "meluxina")["profile"].detail
    put(programs, sinfo="echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
    found = lines(slurm.CHECK, tmp_path, "job", "lab")
    assert found["Slurm"].needed
    assert "Unable to contact" in found["Slurm"].detail


def test_placement(programs, tmp_path):
    """A recipe that does not fit is missing what it asks for."""
    put(programs, sinfo=SINFO)
    asked = recipe("allocation.nodes=5", "allocation.time=5m", "allocation.partition=gpu")
    found = lines(placement.CHECK, tmp_path, "login", "lab", asked=asked)
    assert {what: line.needed for what, line in found.items()} == {"allocation.nodes": True, "allocation.account": True}
    assert (
        lines(placement.CHECK, tmp_path, "login", "lab", asked=recipe("allocation.time=5m"))["allocation"].state == "ok"
    )
    assert not lines(placement.CHECK, tmp_path, "here", "lab", asked=asked)


@pytest.mark.parametrize(
    ("body", "sets", "state", "words"),
    [
        ("echo 'p200981|default,dev'", (), "ok", "p200981 (QOS default, dev)"),
        ("echo 'p200981|default,dev'", ("allocation.account=p2",), "missing", "p2 is none of yours"),
        (
            "echo 'p2|default'",
            ("allocation.account=p2", "allocation.qos=long"),
            "missing",
            "p2 may not use QOS long",
        ),
        ("echo 'p2|'", ("allocation.account=p2", "allocation.qos=long"), "ok", "p2 (QOS any)"),
        ("exit 0", (), "degraded", "names no account"),
        ("echo 'sacctmgr: no slurmdbd' >&2; exit 1", (), "degraded", "no slurmdbd"),
    ],
)
def test_accounts(programs, body, sets, state, words):
    """Accounts that Slurm names, held against the recipe's."""
    put(programs, sacctmgr=body)
    (line,) = lines(accounts.CHECK, programs.parent, "login", asked=recipe(*sets)).values()
    assert (line.state, line.needed) == (state, state == "missing")
    assert words in line.detail


@pytest.mark.parametrize(("refused", "state"), [("", "ok"), ("Apptainer/1.3.6-GCCcore-13.3.0", "missing")])
def test_modules(tmp_path, monkeypatch, refused, state):
    """In a job the modules are loaded as the batch script would."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bash_profile").write_text(
        f'module() {{ [ "$2" != "{refused}" ] || {{ echo "Lmod has detected: $2 is unknown" >&2; return 1; }}; }}\n'
    )
    monkeypatch.setenv("HOME", str(home))
    (line,) = lines(modules.CHECK, tmp_path, "job", "meluxina").values()
    assert line.state == state, line
    assert ("is unknown" in line.detail) == bool(refused)
    assert "to be checked in a job" in lines(modules.CHECK, tmp_path, "login", "meluxina")["modules"].detail


DMON = "echo '#Entity GRACT TENSO'; echo 'GPU 0 0.000 0.000'"


@pytest.mark.parametrize(
    ("dcgmi", "params", "said"),
    [
        (DMON, "", ("ok", "dcgmi reads DCGM_FI_PROF_*")),
        ("echo 'Error: Unable to connect to host engine' >&2; exit 1", "", ("degraded", "Unable to connect")),
        ("echo 'GPU 0 N/A N/A'", "", ("degraded", "utilisation, memory and power are not")),
        (None, "RmProfilingAdminOnly: 1\n", ("degraded", "keeps profiling for root")),
        (None, "RmProfilingAdminOnly: 0\n", ("degraded", "does not forbid profiling")),
        (None, None, ("degraded", "no dcgmi on PATH")),
    ],
)
def test_gpu(programs, monkeypatch, dcgmi, params, said):
    """GPUs by nvidia-smi; profiling by whichever way tells of it."""
    tmp_path, (state, words) = programs.parent, said
    put(programs, nvidia_smi="for i in 1 2; do echo 'NVIDIA A100-SXM4-40GB, 40960 MiB, 560.35.03'; done")
    if dcgmi is not None:
        put(programs, dcgmi=dcgmi)
    driver = tmp_path / "driver"
    driver.mkdir()
    if params is not None:
        (driver / "params").write_text(params)
    monkeypatch.setattr(gpu, "_DRIVER", driver)
    found = lines(gpu.CHECK, tmp_path, "job", asked=recipe("allocation.gpus_per_node=2"))
    assert found["GPUs"] == Line("GPUs", "ok", "2 x NVIDIA A100-SXM4-40GB, 40960 MiB, 560.35.03")
    assert (found["DCGM profiling"].state, words in found["DCGM profiling"].detail) == (state, True)
    found = lines(gpu.CHECK, tmp_path, "job", asked=recipe("allocation.gpus_per_node=4"))
    assert (found["GPUs"].state, found["GPUs"].needed) == ("missing", True)


def test_no_gpu(programs, tmp_path):
    """GPUs asked and none given is missing in a job, and no fault of a login node."""
    asked = recipe("allocation.gpus_per_node=1")
    assert lines(gpu.CHECK, tmp_path, "job", asked=asked)["GPUs"].needed
    assert lines(gpu.CHECK, tmp_path, "login", asked=asked)["GPUs"].state == "ok"
    assert lines(gpu.CHECK, tmp_path, asked=recipe("watch.exporters=[gpu]"))["GPUs"].state == "degraded"
    assert not lines(gpu.CHECK, tmp_path)
    put(programs, nvidia_smi="echo 'NVIDIA-SMI has failed because it could not communicate with the driver'; exit 9")
    line = lines(gpu.CHECK, tmp_path, "job", asked=asked)["GPUs"]
    assert (line.state, line.needed) == ("missing", True)
    assert "could not communicate" in line.detail


def test_lustre(programs, tmp_path):
    """The way by which the statistics are read, the ways that are closed, or that there is none."""
    assert lines(lustre.CHECK, tmp_path)["Lustre"].state == "ok"
    assert lines(lustre.CHECK, tmp_path, asked=recipe("watch.exporters=[lustre]"))["Lustre"].state == "degraded"
    put(programs, lctl="echo 'error: get_param: llite/*/stats: Permission denied' >&2; exit 1")
    line = lines(lustre.CHECK, tmp_path)["Lustre"]
    assert line.state == "degraded"
    assert "sidecar `process`" in line.detail
    stats = "snapshot_time 1.0 secs.usecs\\nread_bytes 2 samples [bytes] 1 3 4\\n"
    put(programs, lctl=f"printf 'llite.tier1-ffff0000.stats=\\n{stats}'")
    line = lines(lustre.CHECK, tmp_path)["Lustre"]
    assert (line.state, "read by lctl" in line.detail) == ("ok", True), line


def test_cgroup(tmp_path, monkeypatch):
    """The version is told; in a job the job's own group is looked for."""
    assert "v" in lines(cgroup.CHECK, tmp_path)["cgroup"].detail
    monkeypatch.setenv("SLURM_JOB_ID", "999999999")
    line = lines(cgroup.CHECK, tmp_path, "job")["cgroup"]
    assert line.state == "degraded"
    assert "none of this job's" in line.detail or "node's are there" in line.detail


SRUN = """for word in "$@"; do
    [ "$word" != --unbuffered ] || { echo "srun: unrecognized option $word" >&2; exit 1; }
done"""


@pytest.mark.parametrize(
    ("body", "state", "words"),
    [
        ("exit 0", "ok", "on 2 nodes"),
        (SRUN, "degraded", "srun refuses --unbuffered"),
        ("echo 'srun: error: Unable to create step: Invalid job id' >&2; exit 1", "missing", "Unable to create step"),
    ],
)
def test_steps(programs, in_job, body, state, words):
    """The flags that srun refuses are named; one that starts nothing costs the other nodes."""
    tmp_path = in_job
    put(programs, scontrol="echo node1; echo node2", srun=body)
    (line,) = lines(steps.CHECK, tmp_path, "job", "meluxina").values()
    assert (line.state, line.needed) == (state, state == "missing")
    assert words in line.detail
    assert not lines(steps.CHECK, tmp_path, "login")


def test_ssh(programs, tmp_path, monkeypatch):
    """ssh to one's own node, leaving no key of a host behind."""
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert "no ssh on PATH" in lines(ssh.CHECK, tmp_path, "job")["ssh to the node"].detail
    put(programs, ssh='case "$*" in *BatchMode=yes*UserKnownHostsFile=/dev/null*) exit 0;; esac; exit 9')
    assert lines(ssh.CHECK, tmp_path, "job")["ssh to the node"].state == "ok"
    put(programs, ssh="echo 'Access denied by pam_slurm_adopt: you have no active jobs on this node' >&2; exit 255")
    line = lines(ssh.CHECK, tmp_path, "job")["ssh to the node"]
    assert (line.state, "pam_slurm_adopt" in line.detail) == ("degraded", True)


@pytest.mark.parametrize(("ahead", "said"), [(0, ("ok", "us there and back")), (3, ("degraded", "do not line up"))])
def test_nodes_and_clocks(programs, in_job, monkeypatch, ahead, said):
    """Another node is reached, and its clock read; one that is ahead costs the comparison of the nodes' series."""
    tmp_path, (state, words) = in_job, said
    monkeypatch.setattr(clocks.socket, "gethostbyname", lambda _name: "127.0.0.1")
    shifted = f"import time, runpy, sys; t = time.time; time.time = lambda: t() + {ahead}; sys.argv[1:1] = []; "
    shifted += (
        "import socket; socket.gethostname = lambda: 'far'; runpy.run_module('jobs.doctor.peer', run_name='__main__')"
    )
    put(
        programs,
        scontrol="echo far.cluster",
        srun=f'for word in "$@"; do last2=$last; last=$word; done; [ "$last" != true ] || exit 0\n'
        f'exec {sys.executable} -P -c "{shifted}" "$last2" "$last"',
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    found = lines(clocks.CHECK, tmp_path, "job")
    assert found["far.cluster"].state == "ok", found
    assert words in found["far.cluster" if state == "ok" else "far.cluster's clock"].detail
    assert found["far.cluster's clock"].state == state
    if ahead:
        assert "+3000" in found["far.cluster's clock"].detail or "+2999" in found["far.cluster's clock"].detail


def test_a_node_that_does_not_see_the_recordings(programs, tmp_path, monkeypatch):
    """What the program over there says is told."""
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setattr(clocks.socket, "gethostbyname", lambda _name: "127.0.0.1")
    body = 'for word in "$@"; do last=$word; done; [ "$last" = true ] || { echo "No such file: $last" >&2; exit 1; }'
    put(programs, scontrol="echo far", srun=body)
    line = lines(clocks.CHECK, tmp_path, "job")["far"]
    assert (line.state, line.needed) == ("missing", True)
    assert "No such file" in line.detail
    assert "file system that all nodes share" in line.mend


def test_recordings(tmp_path):
    """Room and a written file; what cannot be written says why."""
    assert lines(disk.CHECK, tmp_path)["recordings"].state == "ok"
    found = context(tmp_path)
    refused = type(found)(found.site, None, found.root, "here")
    (line,) = disk.CHECK.look(refused)
    assert (line.state, line.needed) == ("missing", True)
    assert "--root" in line.mend
    assert written(tmp_path / "nowhere" / "file") == "No such file or directory"
    assert written(tmp_path / "file") == ""
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(("number", "words"), [(28, "no space"), (122, "quota is used up"), (30, "read-only")])
def test_a_disk_that_refuses(tmp_path, monkeypatch, number, words):
    """A full disk, a used-up quota and a read-only mount have their own words."""

    def refuse(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk.os, "fsync", refuse)
    (line,) = lines(disk.CHECK, tmp_path).values()
    assert (line.state, line.needed, words in line.detail) == ("missing", True, True)


QUOTA = " /mnt/tier2/users/some-long-name\n 5242880* 0 5000000 - 12 0 100 -\n"


def test_lustre_quota(programs, tmp_path, monkeypatch):
    """Lustre's quota is asked of lfs: a star, a path on a line of its own, no limit."""
    assert quota(QUOTA) == ((5242880, 5000000), (12, 100))
    assert quota("/mnt/x 10 0 0 - 3 0 0 -") == ((10, 0), (3, 0))
    assert quota("lfs: no quota") is None
    assert quota("") is None
    monkeypatch.setattr(disk.scratch, "filesystem", lambda _path: "lustre")
    put(programs, lfs=f"echo '{QUOTA}'")
    line = lines(disk.CHECK, tmp_path)["quota"]
    assert (line.state, line.needed) == ("missing", True)
    put(programs, lfs="echo '/mnt/x 1048576 0 1073741824 - 3 0 0 -'")
    assert lines(disk.CHECK, tmp_path)["quota"].detail.startswith("1.0 of 1024.0 GiB; 3 files")


def test_local_disk(tmp_path, monkeypatch):
    """Where scratch goes and how fast it is, measured; a slow one says what is lost."""
    found = lines(local_disk.CHECK, tmp_path)
    assert found["node-local disk"].state == "ok"
    assert "MB/s written and synced" in found["its speed"].detail
    assert not list((tmp_path / "scratch").iterdir())
    assert "not verified for meluxina" in lines(local_disk.CHECK, tmp_path, "job", "meluxina")["node-local disk"].detail
    monkeypatch.setattr(local_disk, "speed", lambda _path: (9e6, 0.3))
    assert lines(local_disk.CHECK, tmp_path)["its speed"].state == "degraded"


def test_other_places(tmp_path):
    """Paths of a profile that are not there are told; old scratch directories too."""
    found = lines(shared_paths.CHECK, tmp_path, "login", "meluxina")
    assert found["bind /mnt/tier1"].state == "degraded"
    profile = Site(name="x", local_disk=(str(tmp_path),))
    assert lines(leftovers.CHECK, tmp_path, profile=profile)["left by dead runs"].state == "ok"
    old = tmp_path / f"dashcam-{os.getuid()}-20200101-000000-old-a1b2"
    old.mkdir()
    os.utime(old, (0, 0))
    line = lines(leftovers.CHECK, tmp_path, profile=profile)["left by dead runs"]
    assert (line.state, str(old) in line.detail) == ("degraded", True)


def test_ports_and_python(tmp_path, monkeypatch):
    """This machine has ports and a Python."""
    assert lines(ports.CHECK, tmp_path)["ports"].state == "ok"
    assert lines(python.CHECK, tmp_path)["dashcam"].state == "ok"
    monkeypatch.setattr(sys, "prefix", "/tmp/venv")  # noqa: S108
    assert lines(python.CHECK, tmp_path, "login")["environment"].needed
