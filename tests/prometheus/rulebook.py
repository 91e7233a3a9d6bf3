"""promtool's unit tests of the rules, written as Python: series in, what a rule makes of them out."""

import subprocess
from pathlib import Path

import yaml

from prometheus import rules

LABELS = 'run_id="r",node="n",role="service",instance="n:1"'
KEPT = 'run_id="r",node="n"'


def series(metric, values, *, job="svc", **labels):
    """Return a series of a target as promtool takes it; `values` in its notation: 0+10x60 grows by 10 a step."""
    more = "".join(f',{name.rstrip("_")}="{value}"' for name, value in labels.items())
    return {"series": f'{metric}{{job="{job}",{LABELS}{more}}}', "values": values}


def histogram(metric, buckets, *, total=0.0, job="svc", **labels):
    """Return the series of a histogram that gains `buckets` (bound: count up to it) and `total` each second."""
    bounds = [series(f"{metric}_bucket", f"0+{n}x100", job=job, le=le, **labels) for le, n in buckets.items()]
    count = list(buckets.values())[-1]
    ends = [series(f"{metric}_sum", f"0+{total}x100", job=job, **labels)]
    return [*bounds, *ends, series(f"{metric}_count", f"0+{count}x100", job=job, **labels)]


def expect(name, value, *, job="svc", **labels):
    """Return that a recorded series has one value, or with value None that there is no such series."""
    more = "".join(f',{label.rstrip("_")}="{text}"' for label, text in labels.items())
    selector = f'{name}{{job="{job}"{more}}}'
    samples = [] if value is None else [{"labels": f'{name}{{job="{job}",{KEPT}{more}}}', "value": value}]
    return {"expr": selector, "eval_time": "60s", "exp_samples": samples}


def fires(name, labels, at="60s"):
    """Return that an alert fires at a time: with these labels beside the run's, or with None that it does not."""
    alerts = [] if labels is None else [{"exp_labels": labels}]
    return {"alertname": name, "eval_time": at, "exp_alerts": alerts}


def check(place: Path, *cases):
    """Run promtool over cases (input, expected series, expected alerts), each with a Prometheus of its own."""
    (place / rules.FILE).write_text(rules.render(1.0))
    tests = []
    for number, (given, wanted, alerts) in enumerate(cases):
        noted = [one | {"exp_alerts": [_noted(one["alertname"], a) for a in one["exp_alerts"]]} for one in alerts]
        tests.append(
            {"name": f"case {number}", "interval": "1s", "input_series": given}
            | {"promql_expr_test": wanted, "alert_rule_test": noted}
        )
    order = [group["name"] for group in yaml.safe_load(rules.render(1.0))["groups"]]
    book = {"rule_files": [rules.FILE], "evaluation_interval": "1s", "group_eval_order": order, "tests": tests}
    (place / "test.yml").write_text(yaml.safe_dump(book, sort_keys=False))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=place, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _noted(name, alert):
    """promtool compares annotations as well: take them from the rules, where the case does not give them."""
    rule = next(one for group in rules.groups() for one in group.alerts if one.name == name)
    labels = {"severity": rule.severity, "run_id": "r", "node": "n", **alert["exp_labels"]}
    notes = {"action": rule.action, "unit": rule.unit, "worst": rule.worst, "summary": labels.pop("summary")}
    return {"exp_labels": labels, "exp_annotations": notes}
