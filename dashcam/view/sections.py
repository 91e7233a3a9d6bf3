"""The parts of a screen. Each makes its lines from the facts for a width, and keeps to `rows` lines."""

from collections.abc import Callable, Iterator, Sequence

from rich.text import Text

from dashcam.view import draw
from dashcam.view.draw import BAD, DIM, GOOD, STRONG, percent, rate, row, seconds, size
from dashcam.view.facts import Facts, Machine

Section = Callable[[Facts, int, int], list[Text]]

_NAME = 13
_BAR = 30
_FULL = 0.95
"""Share from which on something is called full."""
_INLINE = 76
"""Columns from which on GPUs stand in the rows of their nodes."""


def _table(head: tuple[str, ...], widths: tuple[int, ...], cells: Sequence[tuple[str, ...]], rows: int) -> list[Text]:
    """Make a table of whose rows not all may have room; the heading then says how many there are."""
    heads = [_counted(head[0], len(cells), rows - 1), *head[1:]]
    styles = [STRONG, *[DIM] * (len(head) - 1)]
    return [row(zip(heads, widths, styles, strict=True)), *(row(_plain(one, widths)) for one in cells)][:rows]


def _plain(cells: tuple[str, ...], widths: tuple[int, ...]) -> Iterator[tuple[str, int, str]]:
    """Yield cells; one that ends with `!` is a bad value."""
    for text, width in zip(cells, widths, strict=True):
        yield text, width, BAD if text.endswith("!") else ""


def _counted(name: str, count: int, rows: int) -> str:
    return f"{name} ({count})" if count > rows else name


def _bad(text: str, *, when: bool) -> str:
    return f"{text}!" if when else text


def _listed(name: str, texts: Sequence[str], width: int, rows: int, style: str = "") -> list[Text]:
    """Make a list with its name before the first; the name says how many there are where not all have room."""
    name = _counted(name, len(texts), rows)
    return [
        row((("" if index else name, _NAME, STRONG), (text, width - _NAME - 1, style)))
        for index, text in enumerate(texts[:rows])
    ]


def title(facts: Facts, width: int) -> Text:
    """Say which run it is, where it stands and how long it goes on."""
    words = facts.state
    if facts.running:
        words += f"  {draw.span(facts.spent)} of {draw.span(facts.whole)}" if facts.spent is not None else ""
    room = width - len(facts.id) - 2
    return Text(facts.id, STRONG, no_wrap=True).append("  ").append(draw.clip(words, room).rjust(room), "")


def phases(facts: Facts, width: int) -> Text:
    """Draw all phases in a line; where there are too many, those around the current one."""
    states = [phase.state for phase in facts.phases]
    now = next((phase for phase in facts.phases if phase.state == "now"), None)
    tail = "" if now is None else f" {draw.span(now.left)} left"
    for brief in (False, True):
        before = Text(no_wrap=True)
        after = Text(no_wrap=True)
        if brief:
            before.append(f"✓ {states.count('done')} done  " if "done" in states else "", GOOD)
            after.append(f"  · {states.count('next')} to come" if "next" in states else "", DIM)
        else:
            for phase in facts.phases:
                if phase.state == "done":
                    before.append(f"✓ {phase.name}  ", GOOD)
                elif phase.state == "next":
                    after.append(f"  · {phase.name}", DIM)
        name = "" if now is None else f"▸ {now.name} "
        room = width - before.cell_len - after.cell_len - len(name) - len(tail)
        if room >= (8 if now else 0) or brief:
            break
    line = before.append(name, STRONG)
    if now is not None:
        line.append_text(draw.bar(now.share, max(3, min(_BAR + width // 8, room)))).append(tail)
    line.append_text(after)
    return line if states.count("next") < len(states) else line[2:]


def load(facts: Facts, width: int, rows: int) -> list[Text]:
    """Show what the client sees, its rates and latencies over time."""
    seen, past = facts.load, facts.history
    top = max((v for name in ("asked", "done") for v in past.get(name, ()) if v is not None), default=None)
    slow = max((v for v in past.get("latency_p99", ()) if v is not None), default=None)
    room = max(0, width - _NAME - 12)
    drawn = min(room, max((len(line) for line in past.values()), default=0))
    about = f"last {drawn} s" if drawn > 9 else ""
    ranked = [(0, row((("load", _NAME, STRONG), ("now", -10, DIM), (about, -room, DIM))))]

    def figure(rank: int, name: str, text: str, key: str, most: float | None = None) -> None:
        drawn = draw.sparkline(past.get(key, ()), room, most)
        ranked.append((rank, row(((name, _NAME, ""), (text, -10, ""), (drawn, room, GOOD)))))

    if seen.users is not None:
        ranked.append((1, row((("users", _NAME, ""), (draw.number(seen.users), -10, "")))))
    else:
        figure(1, "asked", rate(seen.asked), "asked", top)
    figure(1, "done", rate(seen.done), "done", top)
    figure(3, "latency p50", seconds(seen.latency_p50), "latency_p50", slow)
    figure(1, "latency p99", seconds(seen.latency_p99), "latency_p99", slow)
    if seen.ttft_p99 is not None or seen.ttft_p50 is not None:
        figure(5, "TTFT p50", seconds(seen.ttft_p50), "ttft_p50")
        figure(2, "TTFT p99", seconds(seen.ttft_p99), "ttft_p99")
    ranked.append((1, _counts(facts, width)))
    ranked += [(4, line) for line in _also(facts, width)]
    kept = sorted(sorted(range(len(ranked)), key=lambda index: ranked[index][0])[:rows])
    return [ranked[index][1] for index in kept]


def _counts(facts: Facts, width: int) -> Text:
    seen = facts.load
    ended, failed = seen.ended or 0.0, seen.failed or 0.0
    line = Text(no_wrap=True, overflow="ellipsis").append("failed".ljust(_NAME + 1))
    share = f" ({percent(failed / ended)})" if ended else ""
    line.append(f"{draw.number(failed)} of {draw.number(ended)}{share}", BAD if failed else "")
    for kind, count in seen.errors:
        line.append(f"  {kind} {draw.number(count)}", BAD)
    line.truncate(width, overflow="ellipsis")
    return line


def _also(facts: Facts, width: int) -> list[Text]:
    seen = facts.load
    parts = [] if seen.in_flight is None else [f"{draw.number(seen.in_flight)} in flight"]
    if seen.late_p99 is not None:
        parts.append(f"client late p99 {seconds(seen.late_p99)}")
    lines = _listed("also", [" · ".join(parts)], width, 1) if parts else []
    if seen.tokens_out is not None:
        lines += _listed("tokens", [f"{rate(seen.tokens_in)} in, {rate(seen.tokens_out)} out"], width, 1)
    for line in lines:
        line.stylize("not bold")
    return lines


def services(facts: Facts, width: int, rows: int) -> list[Text]:
    """Show what each service says of itself: the columns that any of them has, as many as there is room for."""
    some = facts.services
    if not some:
        return []
    columns = [
        ("req/s", 7, [draw.number(one.rate) for one in some]),
        ("errors", 6, [_bad(percent(one.errors), when=(one.errors or 0) > 0) for one in some]),
        ("p50", 8, [seconds(one.p50) for one in some]),
        ("p99", 8, [seconds(one.p99) for one in some]),
        ("queue", 5, [draw.number(one.queue) for one in some]),
        ("run", 4, [draw.number(one.running) for one in some]),
        ("full", 5, [_bad(percent(one.full), when=(one.full or 0) > _FULL) for one in some]),
        ("tok in", 6, [draw.number(one.tokens_in) for one in some]),
        ("tok out", 7, [draw.number(one.tokens_out) for one in some]),
    ]
    told = [column for column in columns if set(column[2]) != {draw.NONE}] or columns[:1]
    for least in ("tok out", "tok in", "run", "p50", "errors"):
        if _NAME + sum(size_ + 1 for _, size_, _ in told) > width:
            told = [column for column in told if column[0] != least]
    head = ("services", *(name for name, _, _ in told))
    widths = (_NAME, *(-size_ for _, size_, _ in told))
    return _table(head, widths, [(one.name, *(c[2][at] for c in told)) for at, one in enumerate(some)], rows)


def machines(facts: Facts, width: int, rows: int) -> list[Text]:
    """Show what each node does: CPU, memory, disks, network; GPUs where there is room beside these."""
    if not facts.machines:
        return []
    head = ["nodes", "CPU", "memory", "disk rd", "disk wr", "net in", "net out"]
    widths = [max(8, min(_NAME, width - 48)), -6, -7, -7, -7, -7, -7]
    inline = width >= _INLINE and any(one.gpus for one in facts.machines)
    if inline:
        head += ["GPU", "busy", "mem", "W"]
        widths = [max(8, min(_NAME, width - 70)), *widths[1:], 4, -5, -5, -5]
    cells = [
        (
            *(one.name, _bad(percent(one.cpu), when=(one.cpu or 0) > _FULL)),
            _bad(percent(one.memory), when=(one.memory or 0) > _FULL),
            *(size(value) for value in (one.disk_read, one.disk_written, one.received, one.sent)),
            *(_gpus(one) if inline else ()),
        )
        for one in facts.machines
    ]
    return _table(tuple(head), tuple(widths), cells, rows)


def gpus(facts: Facts, width: int, rows: int) -> list[Text]:
    """Show the GPUs of each node, where they have no room in its row."""
    cells = [(one.name, *_gpus(one)) for one in facts.machines if one.gpus]
    if not cells or width >= _INLINE:
        return []
    return _table(("GPUs", "each", "busy", "memory", "watts"), (_NAME, 8, -6, -7, -7), cells, rows)


def _gpus(one: Machine) -> tuple[str, str, str, str]:
    if not one.gpus:
        return "", "", "", ""
    mean = sum(one.gpus) / len(one.gpus)
    return draw.levels(one.gpus), percent(mean), percent(one.gpu_memory), draw.number(one.gpu_watts)


def file_systems(facts: Facts, width: int, rows: int) -> list[Text]:
    """Show what the clients move on Lustre."""
    cells = [(one.name, size(one.read), size(one.written), draw.number(one.operations)) for one in facts.file_systems]
    head = ("Lustre", "read", "written", "ops/s")
    return _table(head, (_NAME, -8, -8, -9), cells, rows) if cells and width else []


def targets(facts: Facts, width: int, rows: int) -> list[Text]:
    """Say how many targets answer, and which do not."""
    seen = facts.targets
    if seen.up is None:
        return _listed("targets", [f"{seen.expected} expected"], width, rows, DIM) if seen.expected else []
    well = not seen.down and seen.up >= seen.expected
    said = f"{seen.up} of {max(seen.expected, seen.up)} up"
    downs = [f"down: {one.job} on {one.node}" + (f": {one.error}" if one.error else "") for one in seen.down]
    if len(downs) > rows - 1:
        said += f", {len(downs)} down"
    return _listed("targets", [said, *downs][:rows], width, rows, GOOD if well else BAD)


def alerts(facts: Facts, width: int, rows: int) -> list[Text]:
    """Say which alerts fire."""
    if facts.targets.up is None and not facts.alerts:
        return []
    texts = [" ".join(filter(None, (one.severity, one.name, one.where and f"({one.where})"))) for one in facts.alerts]
    if not texts:
        return _listed("alerts", ["none fires"], width, rows, DIM)
    return _listed("alerts", [f"! {text}" for text in texts], width, rows, BAD)


def notes(facts: Facts, width: int, rows: int) -> list[Text]:
    """Show the run's notes, newest first: a sidecar that died is one."""
    return _listed("notes", [text.splitlines()[0] for text in reversed(facts.notes) if text.strip()], width, rows)


def trouble(facts: Facts, width: int, rows: int) -> list[Text]:
    """Say why the figures are not those of Prometheus."""
    return [Text(draw.clip(f"! {facts.trouble}", width), BAD, no_wrap=True)][:rows] if facts.trouble else []


def places(facts: Facts, width: int, rows: int) -> list[Text]:
    """Say where more can be seen."""
    return [Text(draw.clip(" · ".join(facts.places), width), DIM, no_wrap=True)][:rows] if facts.places else []
