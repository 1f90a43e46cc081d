"""How exactly the bot reads values, for each kind and language, and how fast; beside libraries that are installed.

    python3 benchmarks/values.py [--sides "built on" "held out"] [--times 3]

The messages are those of the company (mlbot/shipped/company/values): answers, and free messages with several values. F1 of
exact matches is given for all. Then come the answers about days, times and numbers: of how many mlbot reads exactly what was
wanted, or rightly nothing, and of how many dateparser or text2num does. They get the language and the day, and are asked as
their pages say.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from mlbot.bot.catalogue import read_catalogue
from mlbot.bot.values_scored import (
    COMPANY,
    SIDES,
    ValueExample,
    company_messages,
    judge_all,
    judge_values,
    score_values,
    values_f1,
)
from mlbot.stats.scores import share

PROCESSES = read_catalogue(COMPANY / "processes.toml")


def kind_of(message: ValueExample) -> str:
    """The kind of the slot that a message answers; '' for a free message."""
    return PROCESSES[message.process].slot_of(message.slot).kind if message.slot else ""


def ask_dateparser(message: ValueExample) -> str:
    """The day or time that dateparser finds in a text."""
    from dateparser.search import search_dates
    noon = datetime.combine(message.day, datetime.min.time()) + timedelta(hours=12)
    found = search_dates(message.text, languages=[message.language], settings={
        "RELATIVE_BASE": noon, "PREFER_DATES_FROM": "future", "DATE_ORDER": "DMY"})
    if not found:
        return ""
    return found[0][1].date().isoformat() if kind_of(message) == "date" else f"{found[0][1]:%H:%M}"


def ask_text2num(message: ValueExample) -> str:
    """The number that text2num writes into a text in place of its words."""
    import text_to_num
    words = text_to_num.alpha2digit(message.text, message.language).replace(",", ".").split()
    numbers = [word.strip(".?!") for word in words if word.strip(".?!").replace(".", "", 1).isdigit()]
    return f"{float(numbers[0]):g}" if numbers else ""


PEERS: dict[str, tuple[str, tuple[str, ...], Callable[[ValueExample], str]]] = {
    "dateparser": ("dateparser", ("date", "time"), ask_dateparser), "text2num": ("text_to_num", ("number",), ask_text2num)}


def timed(ask: Callable, messages: list[ValueExample], times: int) -> float:
    """Milliseconds of a message in the mean, of the fastest of some rounds."""
    rounds = []
    for _ in range(times + 1):  # the first one fills the caches
        start = time.process_time()
        for message in messages:
            ask(message)
        rounds.append((time.process_time() - start) / len(messages) * 1000)
    return min(rounds[1:])


def beside(messages: list[ValueExample], times: int) -> Iterator[str]:
    """A line for each kind that a peer reads: how many answers it and mlbot read exactly."""
    for name, (module, kinds, ask) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            yield f"{name} is not installed"
            continue
        for kind in kinds:
            mine = [message for message in messages if kind_of(message) == kind]
            ours = share("mlbot", [all(one.right for one in judge_values(it, PROCESSES[it.process])) for it in mine])
            theirs = share(name, [ask(it) in it.wanted.get(it.slot, ("",)) for it in mine])
            ours_ms = timed(lambda it: judge_values(it, PROCESSES[it.process]), mine, times)
            yield f"{kind}: {ours}, {ours_ms:.2f} ms; {theirs}, {timed(ask, mine, 1):.2f} ms"


def main():
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", nargs="*", default=[SIDES[1]], choices=SIDES)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    messages = company_messages(*given.sides)
    judged = judge_all(messages)
    print(f"{len(messages)} messages ({', '.join(given.sides)})")
    print(*score_values(judged), values_f1("all", judged), sep="\n")
    print(f"{timed(lambda it: judge_values(it, PROCESSES[it.process]), messages, given.times):.2f} ms of CPU a message")
    print(*beside(messages, given.times), sep="\n")


if __name__ == "__main__":
    main()
