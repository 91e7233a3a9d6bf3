"""`dashcam exporter`: a sidecar on its own."""

import argparse

from exporters import cli

HELP = "serve /metrics of one or several sidecars, or print one scrape with --once"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`: the sidecars bring their own arguments."""
    cli.add_arguments(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    return cli.serve(options)
