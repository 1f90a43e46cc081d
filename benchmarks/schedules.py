"""Ten years of schedules: two schedulers in two time zones, clocks that jump, machines that stand still, runs that die.

    python3 benchmarks/schedules.py [--years 10] [--seed 0]

Each due slot should get one training that is judged. mlbot stands beside what is usual: a line of cron on both machines, and
a script that trains when the last training is a week old. The tickets and outcomes are real files; the clock is not real.
"""

import argparse
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from mlbot.ops.retrain import Seen, due, next_attempt, note, read_attempts, slot_of, take_ticket, ticket_of
from mlbot.settings import Retrain
from mlbot.storage import Folder, Objects

WEEKLY = Retrain(every=7, hour=2, growth=0, drift=0, loss=0, gain=0)
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
CALLS = (0.5, 2.5, 8.5, 14.5, 20.5)  # hours of the local day; 02:30 is there twice, or never, on days when clocks change
LEASE = 35.0  # minutes
CHAMPION = Seen("0123456789ab", 1_000, 1_000)


@dataclass
class Scheduler:
    """A machine that asks at fixed hours of its local day. Its clock may be off, and it may stand still."""
    zone: ZoneInfo
    random: random.Random
    off: timedelta = timedelta()
    wrong_until: datetime = BEGIN
    down_until: datetime = BEGIN
    happened: Counter = field(default_factory=Counter)

    def calls(self, days: int):
        """The moments at which it asks, in UTC."""
        for day in range(days):
            midnight = (BEGIN + timedelta(days=day)).replace(tzinfo=None)
            for hour in CALLS:
                local = (midnight + timedelta(hours=hour)).replace(tzinfo=self.zone)
                moments = {local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
                self.happened["hours that are there twice or never"] += len(moments) == 2
                yield from sorted(moments)

    def live(self, at: datetime) -> None:
        """What happens to it around a moment: a jump of its clock, a day or weeks without power."""
        if at >= self.wrong_until:
            self.off = timedelta(seconds=self.random.uniform(-90, 90))
            if self.random.random() < 1 / 300:
                self.off = timedelta(hours=self.random.uniform(-36, 36))
                self.happened["jumps of a clock"] += 1
                self.wrong_until = at + timedelta(hours=self.random.uniform(1, 12))
            elif self.random.random() < 1 / 9_000:
                self.off, self.wrong_until = timedelta(days=400), at + timedelta(hours=12)
                self.happened["of 400 days"] += 1
        if at >= self.down_until and self.random.random() < 1 / 400:
            self.down_until = at + timedelta(days=self.random.choice([1, 3, 10, 30]))
            self.happened["standstills"] += 1

    def clock(self, at: datetime) -> datetime:
        """What its clock shows, with the offset of its zone."""
        return (at + self.off).astimezone(self.zone)


@dataclass
class Count:
    """What came of one way to schedule."""
    judged: Counter = field(default_factory=Counter)  # by slot; since the last forced run
    started: Counter = field(default_factory=Counter)
    asked: set = field(default_factory=set)  # slots in which somebody asked with a clock that was right
    forced: int = 0
    doubles: int = 0
    held: int = 0

    def note(self, slot: int, code: int | None, forced: bool = False) -> None:
        """One training was started, and ended so."""
        self.started[slot] += 1
        if forced:
            self.forced += 1
            self.judged = Counter({at: n for at, n in self.judged.items() if at < slot})
        if code in (0, 1):
            self.doubles += self.judged[slot] > 0
            self.judged[slot] += 1


def outcome(luck: random.Random) -> int | None:
    """How a training ends: released, a red gate, no verdict, out of time, or the machine dies (None)."""
    return luck.choices([0, 1, 3, 4, None], [70, 15, 6, 4, 5])[0]


def ask_mlbot(at: datetime, who: list[Scheduler], shared: Objects, known: list, count: Count, luck: random.Random) -> list:
    """All schedulers ask at once, from the same state; returns the attempts as they are then."""
    for machine, decision in [(machine, due(machine.clock(at), known, CHAMPION, WEEKLY)) for machine in who]:
        now = machine.clock(at)
        count.held += bool(decision.held)
        force = any(reason.alarm for reason in decision.reasons) and abs(machine.off) < timedelta(minutes=2)
        if not decision.yes and not force:
            continue
        attempt = next_attempt(now, known, decision, CHAMPION, LEASE, force)
        if take_ticket(shared, attempt):
            code = outcome(luck)
            count.note(slot_of(now, 7, 2), code, force)
            if code is not None:
                note(shared, attempt, code)
    return read_attempts(shared) if changed(shared, known) else known


def changed(shared: Objects, known: list) -> bool:
    """Whether a ticket is there that was not known."""
    return shared.get(ticket_of(known[-1].number + 1 if known else 1)) is not None


def ask_cron(at: datetime, who: list[Scheduler], last: dict, count: Count, luck: random.Random) -> None:
    """Each scheduler trains at its first call of a Monday from two o'clock of its local day on."""
    for machine in who:
        now = machine.clock(at)
        today = now.date()
        if now.weekday() == 0 and now.hour >= 2 and last.get(id(machine)) != today:
            last[id(machine)] = today
            count.note(slot_of(at, 7, 2), outcome(luck))


def ask_age(at: datetime, who: list[Scheduler], state: dict, count: Count, luck: random.Random) -> None:
    """Train when the last training that was judged is a week old; all look before one writes."""
    last = state.get("last", BEGIN - timedelta(days=9))
    ready = [machine for machine in who if machine.clock(at) - last >= timedelta(days=7)]
    for machine in ready:
        code = outcome(luck)
        count.note(slot_of(at, 7, 2), code)
        if code in (0, 1):
            state["last"] = machine.clock(at)


def live_through(years: int, seed: int) -> tuple[dict[str, Count], list[tuple[str, int]]]:
    """All ways to schedule through the same years, and what happened in them."""
    world = random.Random(seed)
    machines = [Scheduler(ZoneInfo(zone), random.Random(world.random())) for zone in ("Europe/Berlin", "America/New_York")]
    calls = Counter()
    for number, machine in enumerate(machines):
        for at in machine.calls(365 * years):
            calls[at] |= 1 << number
    counts = {name: Count() for name in ("mlbot", "cron on both machines", "a week since the last")}
    luck = {name: random.Random(seed + 1) for name in counts}
    known, last, state = [], {}, {}
    with tempfile.TemporaryDirectory() as folder:
        shared = Folder(Path(folder))
        for at in sorted(calls):
            asking = [machine for number, machine in enumerate(machines) if calls[at] >> number & 1 or world.random() < 0.3]
            for machine in asking:
                machine.live(at)
            asking = [machine for machine in asking if at >= machine.down_until]
            if any(abs(machine.off) < timedelta(minutes=2) for machine in asking):
                for count in counts.values():
                    count.asked.add(slot_of(at, 7, 2))
            before, known = known, ask_mlbot(at, asking, shared, known, counts["mlbot"], luck["mlbot"])
            if known is not before:  # and again while it runs, or just after it
                known = ask_mlbot(at + timedelta(minutes=10), asking, shared, known, counts["mlbot"], luck["mlbot"])
            ask_cron(at, asking, last, counts["cron on both machines"], luck["cron on both machines"])
            ask_age(at, asking, state, counts["a week since the last"], luck["a week since the last"])
    happened = sum((machine.happened for machine in machines), Counter())
    return counts, list(happened.items())


def main() -> None:
    """Print the table; exit code 1 when mlbot has a double or missed a slot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts, seen = live_through(options.years, options.seed)
    bad = 0
    print(f"{options.years} years from {BEGIN:%Y-%m-%d}, weekly slots, two schedulers;",
          ", ".join(f"{n} {what}" for what, n in seen))
    print(f"{'':<24}{'due':>6}{'judged':>8}{'doubles':>9}{'missed':>8}{'unlucky':>9}{'started':>9}{'forced':>8}")
    for name, count in counts.items():
        started = Counter(bool(count.started[slot]) for slot in count.asked if not count.judged[slot])
        numbers = (len(count.asked), sum(count.judged[slot] > 0 for slot in count.asked), count.doubles, started[False],
                   started[True], sum(count.started.values()), count.forced)
        print(f"{name:<24}" + "".join(f"{n:>{width}}" for n, width in zip(numbers, (6, 8, 9, 8, 9, 9, 8), strict=True)))
        bad += (count.doubles + started[False]) * (name == "mlbot")
    print("due: slots in which a scheduler asked whose clock was right; judged: of them, those with a verdict; missed:\n"
          "those in which nothing was started; unlucky: those in which each training died; forced: by a person who was\n"
          "told of a wrong clock")
    raise SystemExit(bad and 1)


if __name__ == "__main__":
    main()
