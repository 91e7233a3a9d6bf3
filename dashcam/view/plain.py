"""The view where there is no terminal: a line when something changes, and one every few seconds."""

from collections.abc import Iterator
from dataclasses import replace

from dashcam.view import draw
from dashcam.view.facts import Facts

EVERY = 5.0
"""Seconds between lines while nothing changes."""


def headline(facts: Facts) -> str:
    """Return one line."""
    if not facts.running:
        return f"{facts.id} {facts.state}"
    seen = facts.load
    now = next((phase for phase in facts.phases if phase.state == "now"), None)
    left = max(0.0, facts.whole - facts.spent) if facts.whole is not None and facts.spent is not None else None
    done, failed, flying = (draw.number(value or 0) for value in (seen.ended, seen.failed, seen.in_flight))
    return (
        f"{now.name if now else facts.state}: {done} done, {failed} failed, {flying} open, "
        f"{draw.rate(seen.done)}, p99 {draw.seconds(seen.latency_p99)}, {draw.span(left)} left"
    )


def summary(facts: Facts) -> Iterator[str]:
    """Yield what one look tells of a run that goes: load, services, targets, alerts."""
    seen = facts.load
    yield headline(facts) if facts.running else facts.state
    for kind, count in seen.errors:
        yield f"failed: {kind} {draw.number(count)}"
    for one in facts.services:
        if one.queue is not None or one.running is not None:
            yield f"{one.name}: {draw.number(one.running)} running, {draw.number(one.queue)} queued"
    if facts.targets.up is not None:
        yield f"targets: {facts.targets.up} of {max(facts.targets.expected, facts.targets.up)} up"
    yield from news(replace(facts, notes=()), None)
    yield from filter(None, (facts.trouble, *(f"note: {note}" for note in facts.notes)))


def key(facts: Facts) -> str:
    """Return what a new line is due for when it changes."""
    now = next((phase.name for phase in facts.phases if phase.state == "now"), "")
    return f"{facts.state} {now}"


def news(facts: Facts, before: Facts | None) -> list[str]:
    """Return what happened since `before`: notes, alerts that began, targets that went down."""
    old_notes = before.notes if before else ()
    old_alerts = before.alerts if before else ()
    old_down = {(one.job, one.node) for one in before.targets.down} if before else set()
    lines = [f"note: {note}" for note in facts.notes if note not in old_notes]
    lines += [
        f"alert: {one.name} {one.where}".rstrip()
        for one in facts.alerts
        if (one.name, one.severity) not in {(alert.name, alert.severity) for alert in old_alerts}
    ]
    # Services that are still being loaded are no news, until something drives them.
    begun = not facts.phases or any(phase.state != "next" for phase in facts.phases)
    lines += [
        f"down: {one.job} on {one.node}" + (f": {one.error}" if one.error else "")
        for one in facts.targets.down
        if begun and (one.job, one.node) not in old_down
    ]
    return lines
