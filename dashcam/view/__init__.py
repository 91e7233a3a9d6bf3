"""The live view of a run in the terminal, from its own Prometheus: `show`."""

from dashcam.view.show import show

__all__ = ["show"]
