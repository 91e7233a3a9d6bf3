"""Make a PostgreSQL cluster with pgvector in a run's scratch directory; runs to its end before the server starts."""

import argparse
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from jobs.services.pgvector import AS_NOBODY, DATABASE, USER

_TABLE_OF_RIGHTS = "host all all 0.0.0.0/0 scram-sha-256\nhost all all ::/0 scram-sha-256\n"


def main(argv: list[str]) -> int:
    """Lay out binaries and data below --scratch; as root, for the user nobody."""
    parser = argparse.ArgumentParser(prog="pgvector_prepare")
    parser.add_argument("--binaries", required=True, type=Path)
    parser.add_argument("--scratch", required=True, type=Path)
    parser.add_argument("--password-file", required=True, type=Path)
    parser.add_argument("--setting", action="append", default=[], help="name=value for postgresql.conf")
    parser.add_argument("runner", nargs="*", help="words before each of PostgreSQL's programs, which are in an image")
    options = parser.parse_args(argv)
    options.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)  # a box made it
    home, data = options.scratch / "postgres", options.scratch / "data"
    password = options.scratch / "password"
    password.touch(mode=0o600)
    password.write_text(options.password_file.read_text())
    lowered = AS_NOBODY if os.geteuid() == 0 and not options.runner else ()
    if lowered:
        _hand_over(options.binaries, home, options.scratch, password)
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if options.runner:
        # --binaries is a path inside; what starts the image is a program of this node, with this node's environment.
        home, environment = options.binaries, {**os.environ, **environment}
    elif not home.exists():
        home.symlink_to(options.binaries)
    before = [*lowered, *options.runner]
    initdb = (
        *(home / "bin" / "initdb", "-D", data, "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"),
        *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
    )
    subprocess.run([*before, *map(str, initdb)], check=True, env=environment, cwd="/")
    password.unlink()
    with (data / "postgresql.conf").open("a") as stream:
        for setting in options.setting:
            name, _, value = setting.partition("=")
            quoted = value.replace("'", "''")
            stream.write(f"{name} = '{quoted}'\n")
    (data / "pg_hba.conf").write_text(_TABLE_OF_RIGHTS)
    single = [*before, str(home / "bin" / "postgres"), "--single", "-j", "-D", str(data)]
    for database, statement in (("postgres", f"CREATE DATABASE {DATABASE}"), (DATABASE, "CREATE EXTENSION vector")):
        # Single-user mode needs no password and no socket; it reports errors on stderr and exits 0 all the same.
        done = subprocess.run(
            [*single, database], input=f"{statement};\n\n", text=True, capture_output=True, check=True, env=environment
        )
        print(done.stdout, done.stderr, sep="")  # noqa: T201 - the log
        if "ERROR" in done.stderr:
            print(f"PostgreSQL refused: {statement}", file=sys.stderr)  # noqa: T201 - the log
            return 1
    return 0


def _hand_over(binaries: Path, home: Path, scratch: Path, password: Path) -> None:
    """Give what the server needs to nobody, which may not be able to read the virtual environment."""
    nobody = pwd.getpwnam("nobody")
    os.chown(scratch, nobody.pw_uid, nobody.pw_gid)
    os.chown(password, nobody.pw_uid, nobody.pw_gid)
    if scratch.parent.name.startswith("dashcam-"):
        scratch.parent.chmod(0o711)  # the run's own directory: may be passed through, not listed
    # Asked of a program that runs as nobody: the exec itself still happens with root's rights.
    readable = subprocess.run([*AS_NOBODY, "test", "-r", str(binaries / "bin" / "postgres")], check=False, cwd="/")
    if readable.returncode != 0:
        home.symlink_to(_copy(binaries, scratch / "wheel"))


def _copy(binaries: Path, place: Path) -> Path:
    """Copy PACKAGE/pginstall and, where a wheel keeps its libraries, PACKAGE.libs beside it; returns the former."""
    package = binaries.parent
    copy = place / package.name / binaries.name
    shutil.copytree(binaries, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, place / libraries.name)
    return copy


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
