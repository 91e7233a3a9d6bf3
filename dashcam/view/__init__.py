"""The live view of a run in the terminal, from its own Prometheus: `show`; and one look at it: `glance`."""

from dashcam.view.plain import summary
from dashcam.view.show import glance, show

__all__ = ["glance", "show", "summary"]
