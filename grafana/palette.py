"""Colours that people with colour blindness tell apart, on dark and on light (Okabe and Ito, 2008).

A colour has one meaning on all dashboards, so that a reader learns it once. Series that stand for things whose number
is not known (nodes, GPUs, jobs) get Grafana's own colours by name: the same node is the same colour in each panel.
"""

BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
SKY = "#56B4E9"
PURPLE = "#CC79A7"
YELLOW = "#F0E442"
GREY = "#8E8E8E"

CLIENT, SERVICE = BLUE, ORANGE
"""What the load measured, and what the server says of itself."""
ASKED = GREY
GOOD, WARNING, BAD = GREEN, ORANGE, VERMILION
P50, P95, P99 = SKY, BLUE, PURPLE
IN, OUT = SKY, ORANGE
"""Read and received; written and sent."""

DIRECTIONS = {"in": IN, "out": OUT, "read": IN, "write": OUT, "received": IN, "sent": OUT}
"""Values of the label `direction`."""
