"""A real Apptainer, where there is one (`tools/get-apptainer`), and small images made of this machine's programs."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from apptainer.cache import Cache, Sif, sha256, version

ROOT = Path(__file__).parents[2]
TOOLS = {
    f"/bin/{name}": shutil.which(name) for name in ("sh", "cat", "env", "id", "ls", "mkdir", "ps", "sleep", "touch")
}


def find():
    """Return the path of an Apptainer that can start a container here, and its release; (None, why) without one."""
    places = (
        os.environ.get("DASHCAM_TEST_APPTAINER"),
        ROOT / ".apptainer" / "bin" / "apptainer",
        shutil.which("apptainer"),
    )
    program = next((str(place) for place in places if place and Path(place).exists()), None)
    if program is None:
        return None, "no Apptainer: `tools/get-apptainer .apptainer` brings one"
    return program, version(program)


def root_file_system(place, files):
    """Make a directory of programs (by their path inside) with the libraries that they need; returns it."""
    for inside, source in files.items():
        _put(place, inside, source)
        programs = [source] if not Path(source).is_dir() else Path(source).rglob("*.so*")
        listed = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
        for library in set(re.findall(r"(/\S+) \(0x", listed)):
            _put(place, library, library)
    for name in ("dev", "etc", "home", "proc", "sys", "tmp", "var/tmp"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (place / "etc/group").write_text("root:x:0:\n")
    return place


def _put(place, inside, source):
    target = place / inside.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if Path(source).is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    elif not target.exists():
        shutil.copy2(os.path.realpath(source), target)


def archive(place, tree, **config):
    """Write a directory as `docker save` does, with that configuration; returns the archive."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(tree, arcname=".")
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    told = {"architecture": "amd64", "os": "linux", "config": config}
    told["rootfs"] = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    manifest = [{"Config": "config.json", "RepoTags": ["test:1"], "Layers": ["layer.tar"]}]
    with tarfile.open(place, "w") as tar:
        for name, content in (
            ("config.json", json.dumps(told).encode()),
            ("layer.tar", layer.getvalue()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return place


def build(program, sif, source):
    """Have Apptainer make a SIF of a directory or an archive."""
    subprocess.run([program, "build", str(sif), str(source)], check=True, capture_output=True, text=True)
    return sif


def keep(program, root, image, source, release=None):
    """Make an image of the catalogue in a cache: of another source, with the record of one that was pulled."""
    path = Cache(root).path(image)
    root.mkdir(parents=True, exist_ok=True)
    build(program, path, source)
    told = Sif(
        image=image.name, reference=image.reference, digest=image.digest, version=release or image.version,
        size=path.stat().st_size, sha256=sha256(path), apptainer=version(program), made="2026-01-01T00:00:00Z",
    )  # fmt: skip
    path.with_name(f"{path.name}.json").write_text(told.model_dump_json())
    return path
