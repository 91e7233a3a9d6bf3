"""`dashcam services`: which kinds of service there are, what each takes, and a recipe to begin with."""

import argparse
import difflib
import sys
import textwrap

from dashcam import arguments
from jobs import exits, kinds
from jobs.services import catalogue

HELP = "list the kinds of service, show what one takes, or print a recipe to begin with"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    parser.add_argument("kind", nargs="?", metavar="KIND", help="show this one with its options (default: list all)")
    parser.add_argument("--recipe", action="store_true", help="print a ready recipe for KIND, with comments")
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    known = catalogue()
    if options.kind is None:
        if options.recipe:
            print("dashcam: --recipe needs a KIND: dashcam services KIND --recipe", file=sys.stderr)
            return exits.USAGE
        _list(as_json=options.json)
        return 0
    if options.kind not in known:
        close = difflib.get_close_matches(options.kind, known, n=1)
        mend = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
        print(f"dashcam: no service kind {options.kind!r}: {mend}", file=sys.stderr)
        return exits.USAGE
    if options.recipe:
        print(kinds.starter(options.kind), end="")
    elif options.json:
        arguments.print_json(kinds.facts(options.kind))
    else:
        _show(options.kind)
    return 0


def _list(*, as_json: bool) -> None:
    found = [kinds.facts(name) for name in sorted(catalogue())]
    if as_json:
        arguments.print_json(found)
        return
    for each in found:
        print(f"{each['kind']:<11} {each['title']}")
    print("\ndashcam services KIND shows one; dashcam services KIND --recipe > FILE is a recipe to begin with")


def _show(name: str) -> None:
    facts = kinds.facts(name)
    print(f"{name}: {facts['title']}\n")
    words = {
        "program": facts["program"],
        "image": facts["image"] or "none of its own; `image:` names a SIF file",
        "listens": facts["ports"],
        "secret": facts["secret"],
        "metrics": facts["metrics"],
        "dashboards": ", ".join(facts["dashboards"]) or "those of any run",
        "ready after": facts["starts"],
        "tried": facts["seen"],
    }
    for word, text in words.items():
        print(textwrap.fill(f"{word:<12}{text}", 118, subsequent_indent=" " * 12, break_long_words=False))
    print("\nkeys, with their defaults:")
    for option in facts["options"]:
        key = f"{option['key']}: {option['default']}" if option["default"] else f"{option['key']}: (must be given)"
        lines = textwrap.wrap(option["description"], 84)
        if len(key) > 30:
            print(f"  {key}")
            key = ""
        for line in lines or [""]:
            print(f"  {key:<32}{line}".rstrip())
            key = ""
