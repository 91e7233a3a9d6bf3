"""The files of a lab: where they are, and what is written into slurm.conf, cgroup.conf, gres.conf and hosts."""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

NODES = ("node1", "node2", "node3", "node4")
GPU_NODES = ("node3", "node4")
GPUS_PER_NODE = 2
LOGIN = "login"
ACCOUNTS = ("bench",)
QOS = ("default", "dev")
_FREEZER = Path("/sys/fs/cgroup/freezer")


def address(node: str) -> str:
    """Give the loopback address of a node: node1 is 127.0.0.11."""
    if node == LOGIN:
        return "127.0.0.1"
    return f"127.0.0.{11 + NODES.index(node)}"


def freezer() -> Path | None:
    """Where cgroup v1's freezer is mounted and writable, or None: without it Slurm cannot hold a job's strays."""
    return _FREEZER if (_FREEZER / "cgroup.procs").exists() and os.access(_FREEZER, os.W_OK) else None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a lab is made of."""

    root: Path
    ctld_port: int
    node_ports: dict[str, int]
    kill_wait: int = 10
    with_cgroups: bool = field(default_factory=lambda: freezer() is not None)
    # Each lab numbers its jobs from elsewhere, so that two labs never share a job's cgroup or SLURM_JOB_ID.
    first_job_id: int = field(default_factory=lambda: random.randrange(10, 60_000) * 1000)

    @property
    def slurm_conf(self) -> Path:
        """What SLURM_CONF names."""
        return self.root / "slurm.conf"

    @property
    def hosts(self) -> Path:
        """The hosts file that the nodes and the login node see."""
        return self.root / "hosts"

    @property
    def munge_socket(self) -> Path:
        """Where munged listens."""
        return self.root / "munge" / "socket"

    @property
    def job_log(self) -> Path:
        """Where jobcomp/filetxt writes a line for each ended job."""
        return self.root / "jobs.log"

    def devices(self) -> list[Path]:
        """Name the files that stand for GPUs; every GPU node uses the same ones."""
        return [self.root / "dev" / f"nvidia{index}" for index in range(GPUS_PER_NODE)]


def slurm_conf(lab: Settings) -> str:
    """Render slurm.conf.

    Only slurmctld can be kept to one address: a node answers srun at the address that its request came from, which
    on loopback is 127.0.0.1 for every node, and slurmd hands its own slurm.conf on to jobs.
    """
    tracking = ("proctrack/cgroup", "task/cgroup") if lab.with_cgroups else ("proctrack/linuxproc", "task/none")
    prolog = "PrologFlags=Alloc,Contain\n" if lab.with_cgroups else ""
    nodes = "\n".join(_node_line(lab, node) for node in NODES)
    return f"""ClusterName=lab
SlurmctldHost={LOGIN}(127.0.0.1)
SlurmctldPort={lab.ctld_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={lab.munge_socket},cred_expire=15
CommunicationParameters=NoCtldInAddrAny
StateSaveLocation={lab.root}/state
SlurmdSpoolDir={lab.root}/spool/%n
SlurmctldPidFile={lab.root}/slurmctld.pid
SlurmdPidFile={lab.root}/slurmd.%n.pid
ProctrackType={tracking[0]}
TaskPlugin={tracking[1]}
{prolog}SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
EnforcePartLimits=ALL
ReturnToService=2
KillWait={lab.kill_wait}
FirstJobId={lab.first_job_id}
MinJobAge=300
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={lab.job_log}
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
MpiDefault=none
GresTypes=gpu
JobSubmitPlugins=lua
{nodes}
PartitionName=cpu Nodes={",".join(NODES)} Default=YES MaxTime=10 State=UP
PartitionName=gpu Nodes={",".join(GPU_NODES)} MaxTime=10 State=UP
"""


def _node_line(lab: Settings, node: str) -> str:
    gres = f" Gres=gpu:{GPUS_PER_NODE}" if node in GPU_NODES else ""
    port = lab.node_ports[node]
    return f"NodeName={node} NodeAddr={address(node)} Port={port} CPUs=8 RealMemory=4000{gres} State=UNKNOWN"


def cgroup_conf() -> str:
    """Render cgroup.conf: groups are for finding a job's processes, nothing is limited."""
    return """CgroupPlugin=cgroup/v1
CgroupAutomount=no
ConstrainCores=no
ConstrainDevices=no
ConstrainRAMSpace=no
ConstrainSwapSpace=no
"""


def gres_conf(lab: Settings) -> str:
    """Render gres.conf: a GPU is a device file (without File= the node is invalid)."""
    last = GPUS_PER_NODE - 1
    lines = [f"NodeName={node} Name=gpu File={lab.root}/dev/nvidia[0-{last}]" for node in GPU_NODES]
    return "\n".join(["AutoDetect=off", *lines, ""])


def job_submit_lua() -> str:
    """Render job_submit.lua, which refuses jobs as a site's accounting does (the lab runs no slurmdbd).

    An unknown account or QOS is refused everywhere, and the gpu partition asks for an account. The numbers are Slurm's
    ESLURM_INVALID_ACCOUNT and ESLURM_INVALID_QOS, so that users read the same sentences as on a real site.
    """
    accounts = ", ".join(f"{name} = true" for name in ACCOUNTS)
    qos = ", ".join(f"{name} = true" for name in QOS)
    return f"""local accounts = {{ {accounts} }}
local qos = {{ {qos} }}

function slurm_job_submit(job, partitions, uid)
    if job.account ~= nil and not accounts[job.account] then return 2045 end
    if job.account == nil and job.partition == "gpu" then return 2045 end
    if job.qos ~= nil and not qos[job.qos] then return 2066 end
    return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, uid)
    return slurm.SUCCESS
end
"""


def hosts(machine: str) -> str:
    """Render the hosts file: what the machine knows, and the lab's nodes."""
    lines = [f"{address(node)} {node}" for node in (LOGIN, *NODES)]
    return "\n".join([machine.rstrip("\n"), *lines, ""])


def write(lab: Settings) -> None:
    """Write all files of the lab into its folder, before any daemon starts."""
    for folder in ("state", "spool", "dev", "work", "log"):
        (lab.root / folder).mkdir(mode=0o755)
    lab.slurm_conf.write_text(slurm_conf(lab))
    (lab.root / "cgroup.conf").write_text(cgroup_conf())
    (lab.root / "gres.conf").write_text(gres_conf(lab))
    (lab.root / "job_submit.lua").write_text(job_submit_lua())
    lab.hosts.write_text(hosts(Path("/etc/hosts").read_text()))
    null = Path("/dev/null").stat().st_rdev
    for device in lab.devices():
        os.mknod(device, 0o020666, null)
        device.chmod(0o666)
