"""What a transformation gets, and what it gives."""

from collections.abc import Mapping
from typing import Any

from reports.dashboards.frames import Frame

Frames = list[Frame]
Options = Mapping[str, Any]


class UnappliedError(Exception):
    """A transformation asks for what is not done here; the text says what."""
