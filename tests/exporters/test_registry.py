"""The collectors by name."""

import subprocess
import sys

from exporters.registry import collectors, names


def test_files_are_found() -> None:
    """A file with COLLECTOR is enough."""
    assert {"cgroup", "process"} <= set(names())
    assert names() == sorted(names())
    for name, kind in collectors().items():
        assert kind.name == name
        assert kind.help
        assert all(option.help and not option.name.startswith("-") for option in kind.options)


def test_listing_loads_nothing_heavy() -> None:
    """A sidecar stays small whatever others need: their libraries are imported when they are asked for."""
    code = (
        "import sys\nfrom exporters.registry import names\nnames()\n"
        "heavy = {'requests', 'numpy', 'aiohttp', 'pyarrow', 'pydantic', 'asyncio', 'grpc', 'yaml'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert done.stderr.strip() == ""
