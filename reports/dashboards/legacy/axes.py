"""The two y axes of a `graph`: `yaxes`, and before Grafana 2.6 `y_formats` and `grid`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.dashboards.reading import mapping, mappings, number, text, texts


@dataclass(frozen=True)
class Axis:
    """What an axis says: as properties of a field, and as its custom ones."""

    field: Mapping[str, Any]
    custom: Mapping[str, Any]


def axes(one: Mapping[str, Any]) -> tuple[Axis, Axis]:
    """Return the left and the right axis of a panel."""
    found = mappings(one.get("yaxes")) or _oldest(one)
    sides = [*found, {}, {}][:2]
    # The panel's own number of decimals is that of legend and tooltip; an axis may have another.
    return _axis(sides[0], one.get("decimals")), _axis(sides[1], one.get("decimals"))


def axis_overrides(axis: Axis) -> list[tuple[str, Any]]:
    """Return the properties of a series that is measured on the right axis."""
    custom = {**axis.custom, "axisPlacement": "right" if axis.custom["axisPlacement"] == "auto" else "hidden"}
    return [*axis.field.items(), *((f"custom.{name}", value) for name, value in custom.items())]


def _axis(side: Mapping[str, Any], decimals: object) -> Axis:
    base = number(side.get("logBase"), 1)
    log = {"type": "log", "log": 2 if base == 2 else 10} if base > 1 else {"type": "linear"}
    hidden = side.get("show") is False
    return Axis(
        {"unit": side.get("format"), "min": side.get("min"), "max": side.get("max"), "decimals": decimals},
        {
            "axisLabel": text(side.get("label")),
            "scaleDistribution": log,
            "axisPlacement": "hidden" if hidden else "auto",
        },
    )


def _oldest(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    grid, units = mapping(one.get("grid")), [*texts(one.get("y_formats")), "short", "short"]
    words = {"left": text(one.get("leftYAxisLabel")), "right": text(one.get("rightYAxisLabel"))}
    return [
        {
            "format": units[place],
            "label": words[side],
            **{key: grid.get(f"{side}{key[0].upper()}{key[1:]}") for key in ("min", "max", "logBase")},
        }
        for place, side in enumerate(("left", "right"))
    ]
