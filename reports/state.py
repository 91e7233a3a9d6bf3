"""A rule about what the load left behind: the service still holds what it said it took."""

from collections.abc import Iterator

from reports.evidence import Evidence
from reports.honesty import finding
from runs.manifest import Finding


def state_kept(evidence: Evidence) -> Iterator[Finding]:
    """See that what the service holds after the load adds up: changes that it lost or mixed up were quick for nothing.

    (TPC-B clause 2: the sums of accounts, tellers, branches and history stay one; a commit that was told is kept.)
    """
    violation = evidence.load_result.get("violation")
    if isinstance(violation, str) and violation:
        text = f"after the load the service did not hold what it should: {violation}"
        yield finding("state_kept", "invalid", text, violation=violation)
