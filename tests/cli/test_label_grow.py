"""`mlbot label --grow` says which messages would help the weakest gates most, and the report says the same."""

import re


def test_ten_messages_are_given_to_the_weakest_gates_and_the_report_agrees(released, mlbot):
    done = mlbot("label", "--grow")
    assert done.returncode == 0, done.stderr
    line = r"^(\w+): (\d+) more beside \d+ rows, expected recall \d+% to \d+% \(floor 40%\)$"
    given = re.findall(line, done.stdout, re.MULTILINE)
    offered = len(re.findall(r"^  label e\d+: ", done.stdout, re.MULTILINE))
    written = sum(map(int, re.findall(r"^  write (\d+) of your own$", done.stdout, re.MULTILINE)))
    assert sum(int(count) for _, count in given) == 10 == offered + written and "next:" in done.stdout
    page = max((released / "runs").glob("*/report.html")).read_text()
    assert all(f"{intent}: {count} more beside" in page for intent, count in given)
    assert sum(map(int, re.findall(r": (\d+) more beside", mlbot("label", "--grow", "4").stdout))) == 4


def test_without_a_run_that_has_measured_it_you_are_told_to_run(project, mlbot):
    done = mlbot("label", "--grow")
    assert done.returncode == 2 and "growth.json" in done.stderr and "mlbot run" in done.stderr
