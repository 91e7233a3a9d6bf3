"""Counters of process trees that never fall and count nothing twice, though processes come and go between two looks.

What the kernel gives for a living process p is spent(p): what it used itself plus, once it waited for a child that
ended, all that this child had spent (`cutime` and its like in /proc/PID/stat; /proc/PID/io likewise). Children that
lived and died between two looks are therefore in it, without ever having been seen. The counter of a tree is

    total = sum of spent(p) over the processes p that are there
          + sum of rest(c) over those that have gone since the last look or the one before
          + lost

where rest(c) starts as the spent(c) that was seen last and shrinks by what c's parent, and then the parent's ancestors
(one of which adopts c if the parent is gone too), gained from waited-for children meanwhile: that part has moved there.
What nobody gained within two looks was waited for by someone outside of the tree, or by nobody (SIGCHLD ignored), and
moves from rest to lost. Two looks, because a parent may be read just before it waits and its child be gone just after;
two more when one of the ancestors goes meanwhile.

Exact where children are waited for by their parents. Where a gone child was not waited for, unseen children of the same
parent may stand in for it: then the counter lacks at most what those used in that time. What a process used between
the last look and its end is lacking if nobody waited for it. Never too much in any of these cases; only where, within
the milliseconds that a look takes, a parent ends, its children are adopted inside of the tree and others end as well,
may one of those be counted twice.

I/O needs a second thought, as the kernel does not tell a parent's own from its children's: growth of a parent's I/O
may be its own. If c had used CPU time and an ancestor gained none from children, that one did not wait for c, and the
growth of its I/O has nothing to do with c. If a process of another service waited (a launcher), what it gained so is
taken off its own service again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Key = tuple[int, int]
"""Process id and start time: a pid alone may have been given to another."""

CPU = ("user", "system")


@dataclass(frozen=True)
class Account:
    """A process at one look. `spent` by counter; `inherited`: the part of it that came from waited-for children.

    A counter without an entry in `inherited` is one whose part is unknown.
    """

    key: Key
    parent: int
    service: str
    spent: Mapping[str, int]
    inherited: Mapping[str, int]


@dataclass
class _Gone:
    """A process that is no longer there, and what of its spending has not been found elsewhere yet."""

    account: Account
    heirs: tuple[Key, ...]
    rest: dict[str, int]
    living: int = 0
    looks: int = 0

    def has_parent(self, now: Mapping[Key, Account]) -> bool:
        """Whether its parent is there."""
        return self.heirs[:1] != () and self.heirs[0] in now

    @property
    def worked(self) -> bool:
        """Whether it was seen to have used CPU time."""
        return any(self.account.spent.get(name, 0) for name in CPU)


@dataclass
class _Growth:
    """What a process may have got from children since the last look. `free` is what no gone child accounts for yet."""

    free: dict[str, int]
    cpu: bool


@dataclass
class Ledger:
    """Keeps the counters of all services. See the module for the rule."""

    _last: dict[Key, Account] = field(default_factory=dict)
    _gone: list[_Gone] = field(default_factory=list)
    _lost: dict[str, dict[str, int]] = field(default_factory=dict)
    _shown: dict[str, dict[str, int]] = field(default_factory=dict)

    def advance(self, accounts: Iterable[Account]) -> Mapping[str, Mapping[str, int]]:
        """Take a look at all processes of all services; returns each service's counters since it was first seen.

        Parents must have been read before their children.
        """
        now = {account.key: account for account in accounts}
        keys = {key[0]: key for key in self._last}
        for key in self._last.keys() - now.keys():
            account = self._last[key]
            self._gone.append(_Gone(account, self._ancestors(account, keys), dict(account.spent)))
        growth: dict[Key, _Growth] = {}
        kept = []
        # Those with the fewest chances left come first, then those whose parent lives: nobody else waits for them.
        for gone in sorted(self._gone, key=lambda gone: (-gone.looks, not gone.has_parent(now))):
            heirs = [now[key] for key in gone.heirs if key in now]
            if len(heirs) < gone.living:
                gone.looks = 0  # what an heir had inherited is on its way to the next one
            gone.living = len(heirs)
            if gone.has_parent(now):
                del heirs[1:]
            for heir in heirs:
                self._claim(gone, heir, growth)
            gone.looks += 1
            if heirs and gone.looks < 2 and any(gone.rest.values()):
                kept.append(gone)
            else:
                for name, rest in gone.rest.items():
                    self._book(gone.account.service, name, rest)
        self._gone = kept
        self._last = now
        return self._totals()

    def _ancestors(self, account: Account, keys: Mapping[int, Key]) -> tuple[Key, ...]:
        """Return the process's ancestors of the last look, nearest first."""
        found: list[Key] = []
        key = keys.get(account.parent)
        while key is not None and key not in found and key != account.key:
            found.append(key)
            key = keys.get(self._last[key].parent)
        return tuple(found)

    def _claim(self, gone: _Gone, heir: Account, growth: dict[Key, _Growth]) -> None:
        """Find what is left of `gone` in what `heir` gained."""
        if heir.key not in growth:
            growth[heir.key] = self._growth(heir)
        gained = growth[heir.key]
        unwaited = gone.worked and not gained.cpu
        for name, wanted in gone.rest.items():
            part = min(wanted, gained.free.get(name, 0))
            if part > 0 and not (unwaited and name not in gone.account.inherited):
                gone.rest[name] = wanted - part
                gained.free[name] -= part
                if heir.service != gone.account.service:
                    self._book(gone.account.service, name, part)
                    self._book(heir.service, name, -part)

    def _growth(self, heir: Account) -> _Growth:
        before = self._last.get(heir.key)
        if before is None:
            return _Growth({}, cpu=False)
        free = {}
        for name, value in heir.spent.items():
            known = name in heir.inherited
            new, old = (
                (heir.inherited[name], before.inherited.get(name, 0)) if known else (value, before.spent.get(name))
            )
            if old is not None:
                free[name] = max(0, new - old)
        return _Growth(free, cpu=any(free.get(name, 0) for name in CPU))

    def _book(self, service: str, name: str, amount: int) -> None:
        booked = self._lost.setdefault(service, {})
        booked[name] = booked.get(name, 0) + amount

    def _totals(self) -> Mapping[str, Mapping[str, int]]:
        totals: dict[str, dict[str, int]] = {service: dict(lost) for service, lost in self._lost.items()}
        parts = [(account.service, account.spent) for account in self._last.values()]
        parts += [(gone.account.service, gone.rest) for gone in self._gone]
        for service, spent in parts:
            total = totals.setdefault(service, {})
            for name, value in spent.items():
                total[name] = total.get(name, 0) + value
        for service, total in totals.items():
            shown = self._shown.setdefault(service, {})
            for name, value in total.items():
                shown[name] = max(shown.get(name, 0), value)
        return self._shown
