"""Lustre's files and lctl's output."""

from itertools import chain

from exporters.lustre_params import parse_get_param, split
from exporters.lustre_stats import parse_lnet, parse_rpc_stats, parse_stats
from tests.exporters import lustre_texts as texts
from tests.exporters.fuzz import Case


def _stats(data: bytes) -> None:
    text = data.decode(errors="replace")
    result = parse_stats(text)
    for name, line in result.value.lines.items() if result.value else ():
        assert f"{line.samples} " in text
        assert name in text
        assert line.total is None or str(line.total) in text


def _rpc_stats(data: bytes) -> None:
    text = data.decode(errors="replace")
    result = parse_rpc_stats(text)
    if result.value is not None:
        value = result.value
        numbers = chain(value.in_flight.values(), value.pending_pages.values(), value.pages.values())
        assert all(str(number) in text for number in numbers)


def _lnet(data: bytes) -> None:
    text = data.decode(errors="replace")
    assert all(str(number) in text for number in parse_lnet(text).value.values())


def _get_param(data: bytes) -> None:
    for name, text in parse_get_param(data.decode(errors="replace")).items():
        assert split(name) or "." not in name or name == "lnet.stats"
        parse_stats(text)


CASES = [
    Case("lustre-stats", [t.encode() for t in (texts.OLD_STATS, texts.NEW_STATS, texts.READ_AHEAD)], _stats),
    Case("lustre-rpc-stats", [texts.RPC_STATS.encode()], _rpc_stats),
    Case("lustre-lnet", [texts.LNET_LINE.encode(), texts.LNET_YAML.encode()], _lnet),
    Case("lustre-get-param", [texts.GET_PARAM.encode()], _get_param),
]
