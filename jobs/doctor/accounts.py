"""The accounts that Slurm lets this user take, where the site keeps accounts (`sacctmgr`)."""

import getpass
import shutil
from collections.abc import Iterable

from jobs.doctor.base import Check, Context, Line, ask


def _look(context: Context) -> Iterable[Line]:
    if context.where == "here" or shutil.which("sacctmgr") is None:
        return
    user = getpass.getuser()
    answer = ask(["sacctmgr", "-nP", "show", "associations", f"user={user}", "format=Account,QOS"], 15.0)
    if answer.code != 0:
        yield Line("accounts", "degraded", f"not to be found out: {answer.reason}; a wrong account is told by sbatch")
        return
    found: dict[str, set[str]] = {}
    for line in answer.out.splitlines():
        account, _, qos = line.strip().partition("|")
        if account:
            found.setdefault(account, set()).update(filter(None, qos.split(",")))
    known = ", ".join(f"{account} (QOS {', '.join(sorted(qos)) or 'any'})" for account, qos in sorted(found.items()))
    asked = context.recipe.allocation if context.recipe is not None else None
    if not found:
        yield Line("accounts", "degraded", f"Slurm names no account of {user}; a wrong one is told by sbatch")
    elif asked is not None and asked.account and asked.account not in found:
        yield Line("accounts", "missing", f"{asked.account} is none of yours", f"yours: {known}", needed=True)
    elif asked is not None and asked.account and asked.qos and asked.qos not in (found[asked.account] or {asked.qos}):
        mend = f"it has {', '.join(sorted(found[asked.account]))}"
        yield Line("accounts", "missing", f"{asked.account} may not use QOS {asked.qos}", mend, needed=True)
    else:
        yield Line("accounts", "ok", known)


CHECK = Check("accounts", "site", _look, order=2)
