"""The rooms: who may import whom. The table is DESIGN's; a new arrow needs a decision, not an accident."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "runs": set(),
    "exporters": set(),
    "prometheus": {"runs"},
    "loadtests": {"runs"},
    "apptainer": {"runs"},
    "grafana": {"runs", "prometheus"},
    "reports": {"runs", "prometheus"},
    "jobs": {"runs", "exporters", "prometheus", "grafana", "apptainer", "loadtests", "reports"},
    "dashcam": {"runs", "exporters", "prometheus", "grafana", "apptainer", "loadtests", "reports", "jobs"},
}


def imported(path):
    """Return the rooms that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the folder's name"
            names.add(node.module)
    return {name.partition(".")[0] for name in names} & MAY_IMPORT.keys()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_follow_the_table(room):
    """No file of a room imports a room that it may not."""
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        extra = imported(path) - MAY_IMPORT[room] - {room}
        assert not extra, f"{path.relative_to(ROOT)} imports {', '.join(sorted(extra))}"


def test_jobs_knows_exporters_by_name_only():
    """`jobs` asks the exporters for their names; it runs them as programs."""
    for path in (ROOT / "jobs").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("exporters"):
                assert [alias.name for alias in node.names] == ["names"], path


def test_table_has_no_circle():
    """The table itself is a hierarchy."""
    left = {room: set(needs) for room, needs in MAY_IMPORT.items()}
    while left:
        ready = {room for room, needs in left.items() if not needs & left.keys()}
        assert ready, f"a circle among {sorted(left)}"
        left = {room: needs for room, needs in left.items() if room not in ready}
