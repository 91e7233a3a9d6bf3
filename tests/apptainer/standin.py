"""A stand-in for `apptainer` 1.3 that refuses what the real one refuses, and then runs the inner program natively.

What is real: options and their arity, binds whose source is missing, a working directory or image that is not there,
the env file read by a shell, a clean environment, HOME, one signal passed on, 128 + n for signal n. What is not: no
namespace, no mount; a program of an image is another one of this machine, by a table beside the script.
"""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

FLAGS = {
    *(
        "--cleanenv",
        "-e",
        "--containall",
        "-C",
        "--contain",
        "-c",
        "--no-eval",
        "--no-home",
        "--nv",
        "--writable-tmpfs",
    ),
    *("--no-init", "--no-umask", "--compat", "--pid", "--ipc", "--userns", "--fakeroot", "--disable-cache", "--force"),
}
VALUES = {"--bind", "-B", "--mount", "--env", "--env-file", "--pwd", "--cwd", "--home", "-H", "--workdir", "-W"}
VALUES |= {"--no-mount", "--build-arg", "--overlay", "--scratch", "--hostname", "--security"}
IN_IMAGES = ("/usr", "/bin", "/lib", "/etc", "/opt", "/dev")
NO_MOUNT = {"proc", "sys", "dev", "devpts", "home", "tmp", "hostfs", "cwd", "bind-paths"}


def fatal(text):
    """End as Apptainer does when it cannot start: 255 and its own word."""
    sys.stderr.write(f"\x1b[31mFATAL:  \x1b[0m {text}\n")
    sys.exit(255)


def options(words):
    """Return (options as pairs, what follows)."""
    found, rest = [], list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in FLAGS and not equals:
            found.append((name, ""))
        elif name in VALUES:
            if not equals and not rest:
                fatal(f"flag needs an argument: {name}")
            found.append((name, value if equals else rest.pop(0)))
        else:
            fatal(f"unknown flag: {name}")
    return found, rest


def bound(spec):
    """Check one --bind and return (source, target, mode)."""
    parts = spec.split(":")
    if len(parts) > 3 or "," in spec or (len(parts) == 3 and parts[2] not in {"ro", "rw"}):
        fatal(f"while parsing bind path: {spec}")
    if not Path(parts[0]).exists():
        fatal(f"container creation failed: mount {parts[0]}: no such file or directory")
    return (parts[0], parts[1] if len(parts) > 1 else parts[0], parts[2] if len(parts) > 2 else "rw")


def inside(path, binds):
    """Return the node's path of one inside, by the last bind that holds it; None: the image's own."""
    for source, target, _ in reversed(binds):
        if path == target or path.startswith(f"{target}/"):
            return source + path.removeprefix(target)
    return None


def on_node(word, binds):
    """Return a word of the inner command line with its path as it is on the node. Ends where it could not be seen."""
    name, equals, value = word.rpartition("=")
    if not value.startswith("/"):
        return word
    if mapped := inside(value, binds):
        return f"{name}{equals}{mapped}"
    if Path(value).exists() and not value.startswith(IN_IMAGES):
        fatal(f"the stand-in is strict: {value} is there on the node, but nothing binds it")
    return word


def environment(file):
    """Read an env file as Apptainer's shell does: no commands, no redirection, all that is set."""
    if stat.S_IMODE(Path(file).stat().st_mode) & 0o077:
        fatal(f"the stand-in is strict: {file} can be read by others")
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    script = f"set -a; PATH=/nowhere; . '{file}'; exec '{sys.executable}' -c '{show}'"
    plain = {name: value for name, value in os.environ.items() if name == "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(["/bin/sh", "-c", script], env=plain, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        fatal(f"while processing {file}: {done.stderr}")
    found = json.loads(done.stdout)
    for name in ("PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"):
        found.pop(name, None)
    if found.get("PATH") == "/nowhere":
        del found["PATH"]
    for name in ("HOME", "UID", "GID"):
        if name in found:
            fatal(f"the stand-in is strict: {name} in {file} would be ignored")
    return found


def checked(words):
    """Refuse what cannot be started; returns (options, binds, image, inner command line)."""
    given, rest = options(words)
    names = [name for name, _ in given]
    for needed in ("--cleanenv", "--containall", "--no-eval", "--no-home"):
        if needed not in names:
            fatal(f"the stand-in is strict: {needed} is missing")
    if len(rest) < 2:
        fatal(f"requires at least 2 arg(s), only received {len(rest)}")
    if not Path(rest[0]).is_file():
        fatal(f"could not open image {rest[0]}: no such file or directory")
    for word in dict(given).get("--no-mount", "").split(","):
        if word and word not in NO_MOUNT:
            fatal(f"the stand-in is strict: unknown mount type {word!r}")
    binds = [bound(spec) for name, spec in given if name in {"--bind", "-B"}]
    for _, target, _ in binds:  # mount points below a directory that is bound must be there
        for source, outer, _ in binds:
            if target.startswith(f"{outer}/") and not Path(source + target.removeprefix(outer)).exists():
                fatal(f"destination {target} doesn't exist in container")
    return given, binds, rest[0], rest[1:]


def surroundings(values, binds):
    """Return (working directory on the node, environment) of the inner program."""
    pwd, home = values.get("--pwd") or values.get("--cwd"), values.get("--home", "").partition(":")[0]
    for path in (pwd, home):
        if not path or not inside(path, binds) or not Path(inside(path, binds)).is_dir():
            fatal(f"failed to set working directory: chdir {path}: no such file or directory")
    env = {"HOME": home, "LANG": "C", "PATH": os.defpath, **environment(values["--env-file"])}
    for name, value in os.environ.items():  # these get in whatever --cleanenv says
        if name.startswith(("APPTAINERENV_", "SINGULARITYENV_")):
            env[name.partition("_")[2]] = value
        elif name.lower().endswith("_proxy"):
            env[name] = value
    return inside(pwd, binds), env


def execute(words, here):
    """`apptainer exec`."""
    given, binds, sif, argv = checked(words)
    cwd, env = surroundings(dict(given), binds)
    table = json.loads((here / "programs.json").read_text())
    program = table.get(argv[0])
    if program is None:
        fatal(f"exec {argv[0]} failed: no such file or directory (in {Path(sif).name}; known: {sorted(table)})")
    leaked = [name for name in os.environ if name.startswith(("APPTAINER_", "SINGULARITY_")) and "DIR" not in name]
    record = {"sif": sif, "argv": argv, "options": given, "env": sorted(env), "leaked": leaked}
    with (here / "record.jsonl").open("a") as stream:
        stream.write(json.dumps(record) + "\n")
    child = subprocess.Popen(
        [*program, *(on_node(word, binds) for word in argv[1:])], env={**env, **table["environment"]}, cwd=cwd
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    code = child.wait()
    sys.exit(code if code >= 0 else 128 - code)


def make(words, *, build):
    """`apptainer pull` and `apptainer build`: writes the source's name as the image."""
    given, rest = options(words)
    if len(rest) != 2:
        fatal(f"accepts 2 arg(s), received {len(rest)}")
    out, source = rest
    name, _, digest = source.rpartition("/")[2].partition("@")
    if not build and (not source.startswith("docker://") or (digest and ":" in name)):
        fatal("Docker references with both a tag and digest are currently not supported")
    if Path(out).exists() and ("--force", "") not in given:
        fatal(f"image file already exists: {out!r} - will not overwrite")
    if "unreachable" in source:
        fatal("while making image from oci registry: dial tcp: lookup: no such host")
    text = Path(source).read_text() + json.dumps(given) if build else source
    Path(out).write_text(text)


def main(argv):
    """The program."""
    here = Path(argv[0]).resolve().parent
    verb, words = argv[1], argv[2:]
    if verb == "--version":
        sys.stdout.write("apptainer version 1.3.6\n")
    elif verb == "exec":
        execute(words, here)
    elif verb in {"pull", "build"}:
        make(words, build=verb == "build")
    else:
        fatal(f"unknown command {verb!r}")


def install(place, programs, **environment):
    """Put the stand-in into a directory for PATH. `programs`: words that run natively, by the name in the image.

    `environment` is what these native programs need of this machine.
    """
    place.mkdir(parents=True, exist_ok=True)
    script = place / "apptainer"
    script.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
    script.chmod(0o755)
    (place / "programs.json").write_text(json.dumps({**programs, "environment": environment}))
    return script


def old(place):
    """Put an Apptainer of 2022 there."""
    (place / "apptainer").write_text("#!/bin/sh\necho apptainer version 1.0.2\n")


def recorded(place):
    """Return what was asked of the stand-in, oldest first."""
    file = place / "record.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


if __name__ == "__main__":
    main(sys.argv)
