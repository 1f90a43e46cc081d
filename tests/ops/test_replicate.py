"""A release or a rollback on one machine reaches all, whole and checked, and what is damaged changes nothing."""

import json
import shutil
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from mlbot.data.carried import ledger_object, shared_ledger
from mlbot.data.ledger import ledger_file, read_memory, write_digests
from mlbot.errors import InputError, NoVerdict
from mlbot.model.artefact import POINTER, VIEWS, WEIGHTS, build_artefact, read_artefact, write_artefact
from mlbot.model.registry import history, judgement_file
from mlbot.model.rollout import (
    Canary,
    Live,
    golden_file,
    previous,
    promote,
    read_canary,
    read_pointer,
    released_names,
    set_canary,
)
from mlbot.ops.replicate import (
    ASIDE,
    TRIAL,
    Carrier,
    fetch_model,
    pull,
    pull_trial,
    push,
    push_trial,
    read_releases,
    trial_in,
)
from mlbot.storage import open_objects
from tests.data.test_store import free_port, keys_of, s3  # noqa: F401
from tests.model.test_rollout import stored  # noqa: F401  two released models
from tests.serving import Service


@pytest.fixture
def here(stored, tmp_path):  # noqa: F811
    """The models of the machine that releases."""
    return Path(shutil.copytree(stored, tmp_path / "here"))


@pytest.fixture
def there(tmp_path):
    """The models of a machine that only serves: none yet."""
    return tmp_path / "there"


@pytest.fixture(params=["folder", "s3"])
def shared(request, tmp_path):
    """What carries models between them."""
    return open_objects(tmp_path / "shared" if request.param == "folder" else request.getfixturevalue("s3"))


def test_a_release_reaches_a_machine_without_models_and_a_rollback_there_comes_back(here, there, shared):
    """Champion, history, golden answers and the way back are the same on both."""
    first, second = released_names(here)
    assert [entry["model"] for entry in push(here, shared)] == [first, second] and push(here, shared) == []
    assert pull(there, shared) == second and pull(there, shared) == ""
    assert history(there) == history(here) and golden_file(there, second).is_file() and previous(there) == first
    (there / POINTER).write_text(first + "\n")  # as if killed before the last step
    assert pull(there, shared) == second
    promote(there, first, {"who": "ben", "why": "worse in production"})
    push(there, shared)
    assert pull(here, shared) == first == read_pointer(here) and history(here)[-1]["who"] == "ben"
    promote(here, second, {"who": "ann", "why": "better again"})
    push(here, shared)
    assert pull(there, shared) == second and history(there) == history(here) and len(history(here)) == 4


DAMAGES = {
    "flipped weights": lambda to, name: to.put(f"models/{name}/{WEIGHTS}", to.get(f"models/{name}/{WEIGHTS}")[:-1] + b"x"),
    "cut weights": lambda to, name: to.put(f"models/{name}/{WEIGHTS}", to.get(f"models/{name}/{WEIGHTS}")[:99]),
    "no vocabulary": lambda to, name: to.delete(f"models/{name}/vocabulary.json"),
    "no manifest": lambda to, name: to.delete(f"models/{name}/manifest.json"),
    "another manifest": lambda to, name: to.put(f"models/{name}/manifest.json",
                                                to.get(f"models/{name}/manifest.json").replace(b'"role"', b'"rule"')),
    "a manifest that leads out": lambda to, name: to.put(f"models/{name}/manifest.json",
                                                         b'{"schema": 2, "sha256": {"../../secret": "00"}}'),
    "other answers": lambda to, name: to.put(f"golden/{name}.json", to.get(f"golden/{name}.json").replace(
        b'"confidence": 0.', b'"confidence": 0.0')),
    "no judgement": lambda to, name: to.delete(f"judgements/{name}.json"),
    "the judgement of another model": lambda to, name: to.put(f"judgements/{name}.json", next(
        to.get(other) for other in to.names("judgements/") if name not in other)),
    "a judgement that was edited": lambda to, name: to.put(f"judgements/{name}.json", to.get(
        f"judgements/{name}.json").replace(b"penalty", b"payment")),
    "an entry that somebody edited": lambda to, name: to.put("releases/00000002.json", to.get(
        "releases/00000002.json").replace(b'"ada"', b'"eve"')),
    "an entry that is none": lambda to, name: to.put("releases/00000002.json", b"{"),
    "an entry that leads out": lambda to, name: to.put("releases/00000002.json", b'{"model": "../../x", "when": "now"}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_refused_and_the_old_champion_kept(here, there, tmp_path, damage):
    """Whatever is wrong with an object: pointer, history and models of the server stay, and it says what is wrong."""
    shared = open_objects(tmp_path / "shared")
    first, second = released_names(here)
    push(here, shared)
    log = read_releases(shared)
    shared.delete("releases/00000002.json")
    assert pull(there, shared) == first
    shared.put("releases/00000002.json", json.dumps(log[1]).encode())
    DAMAGES[damage](shared, second)
    before = history(there)
    with pytest.raises((InputError, NoVerdict)):
        pull(there, shared)
    carrier = Carrier(there, str(tmp_path / "shared"), 1)
    assert carrier.look() == "" and carrier.alert
    live = Live(there)
    live.follow()
    assert live.current.name == first == read_pointer(there) and history(there) == before and not live.alert
    if damage == "other answers":
        golden_file(there, second).unlink()
    shared.put("releases/00000002.json", json.dumps(log[1]).encode())
    push(here, shared, again=True)  # mends the model
    assert pull(there, shared) == second


def test_a_model_that_nobody_judged_is_not_carried(here, there, tmp_path):
    """What is pushed is what was judged; a folder that was copied into models/ goes nowhere, as a trial neither."""
    shared, (_, second) = open_objects(tmp_path / "shared"), released_names(here)
    judgement_file(here, second).unlink()
    with pytest.raises(NoVerdict, match=f"no verdict of model {second}"):
        push(here, shared)
    assert read_releases(shared) == [] and pull(there, shared) == ""
    set_canary(here, Canary(second, 0.2, 1000.0, "ann"))
    with pytest.raises(NoVerdict):
        push_trial(here, shared)


def test_a_server_without_the_key_takes_over_and_one_with_another_key_does_not(here, there, tmp_path, monkeypatch):
    """MLBOT_KEY on both sides says that nobody else has written into the shared place."""
    shared, (_, second) = open_objects(tmp_path / "shared"), released_names(here)
    push(here, shared)
    monkeypatch.setenv("MLBOT_KEY", "a key of somebody else")
    with pytest.raises(InputError, match="MLBOT_KEY"):
        pull(there, shared)
    monkeypatch.delenv("MLBOT_KEY")
    assert pull(there, shared) == second
    promote(there, previous(there), {"who": "ben"})  # the way back needs no key of another machine


def test_a_model_is_carried_before_the_entry_that_names_it(here, tmp_path):
    """Killed after any object, a push leaves only entries whose models are whole; pushed again, all is there."""
    names = []

    class Dying:
        def __init__(self, lives):
            self.to, self.lives = open_objects(tmp_path / f"shared{lives}"), lives

        def __getattr__(self, what):
            def ask(*words):
                if what in ("put", "create"):
                    if not self.lives:
                        raise KeyboardInterrupt
                    self.lives -= 1
                    names.append(words[0])
                return getattr(self.to, what)(*words)
            return ask
    for lives in range(30):
        dying = Dying(lives)
        try:
            push(here, dying)
            break
        except KeyboardInterrupt:
            for entry in read_releases(dying.to):
                assert fetch_model(tmp_path / f"there{lives}", entry["model"], dying.to) or True
            assert len(push(here, dying.to)) + len(read_releases(dying.to)) >= 2 and len(read_releases(dying.to)) == 2
    assert lives > 8


def test_two_machines_that_release_at_one_time_do_not_overwrite_each_other(here, tmp_path, shared):
    """The second is told, keeps its own until a person takes the other's over, and then nothing is lost."""
    other = Path(shutil.copytree(here, tmp_path / "other"))
    first, second = released_names(here)
    push(here, shared)
    promote(here, first, {"who": "ann"})
    promote(other, first, {"who": "ben", "why": "mine"})
    push(here, shared)
    with pytest.raises(InputError, match="another machine has made"):
        push(other, shared)
    with pytest.raises(InputError, match="1 entries of the history here are not carried"):
        pull(other, shared)
    assert history(other)[-1]["who"] == "ben"
    assert pull(other, shared, aside=True) == first and history(other) == history(here)
    assert json.loads((other / ASIDE).read_text())["why"] == "mine"


def test_an_entry_that_somebody_wrote_just_now_is_not_overwritten(here, tmp_path):
    """Both have seen the same history, and both write the next entry."""
    shared, other = open_objects(tmp_path / "shared"), Path(shutil.copytree(here, tmp_path / "other"))
    first, second = released_names(here)
    push(here, shared)
    promote(here, first, {"who": "ann"})
    promote(other, first, {"who": "ben"})

    class Late:
        def __getattr__(self, what):
            def ask(*words):
                if what == "create":
                    push(here, shared)
                return getattr(shared, what)(*words)
            return ask
    with pytest.raises(InputError, match="at the same time"):
        push(other, Late())
    assert [entry["who"] for entry in read_releases(shared)][2:] == ["ann"]


def test_a_store_that_overwrites_where_it_was_asked_to_create_is_told(here, tmp_path):
    """On such a store two machines could both believe to be first."""
    class Careless:
        def __init__(self):
            self.to = open_objects(tmp_path / "shared")

        def create(self, name, data):
            return self.to.put(name, data) is None

        def __getattr__(self, what):
            return getattr(self.to, what)
    with pytest.raises(InputError, match="two machines could write the same entry"):
        push(here, Careless())


def test_servers_follow_a_promote_and_a_rollback_on_another_machine(company_project, mlbot, tmp_path, s3):  # noqa: F811
    """`mlbot promote` and `mlbot rollback` on one machine change what another one answers with, by themselves."""
    office, server = (tmp_path / name for name in ("office", "server"))
    for root in (office, server):
        root.mkdir()
        (root / "settings.ini").write_text(f"[data]\nsource = company\n[promise]\nwrong = 0\n[service]\nlook = 0.2\n"
                                           f"[places]\ncarried = {s3}\n")
    shutil.copytree(company_project / "models", office / "models")
    champion = read_pointer(office / "models")
    with_other(office / "models")
    other = next(name for name in released_names(office / "models") if name != champion)
    done = mlbot("models", "--push", cwd=office)
    assert done.returncode == 0 and "1 entries" in done.stdout and "next:" in done.stdout, done.stderr
    service = Service(server)
    try:
        assert wait_for(service, champion) == ""
        done = mlbot("promote", other, "--unjudged", "--why", "to try the way", cwd=office)
        assert done.returncode == 0 and f"carried: to {s3}" in done.stdout, done.stderr
        assert wait_for(service, other) == ""
        done = mlbot("rollback", "--why", "worse", cwd=server)
        assert done.returncode == 0 and f"champion: {champion} again" in done.stdout, done.stderr
        assert wait_for(service, champion) == ""
    finally:
        service.stop()
    assert mlbot("models", "--pull", cwd=office).returncode == 0
    assert read_pointer(office / "models") == champion and history(office / "models")[-1]["why"] == "worse"


def with_other(models):
    """Store a second model: the champion with another bias."""
    found = read_artefact(models / read_pointer(models))
    facts = {name: value for name, value in found.manifest.items() if name not in ("schema", "intents", "context", "sha256")}
    vocabulary = {view: found.vocabulary[view] for view in VIEWS if view in found.vocabulary}
    weights = {**found.weights, "bias": found.weights["bias"] * 1.01}
    made = build_artefact(found.manifest["intents"], found.manifest["context"], vocabulary, weights, facts)
    write_artefact(made, models / made.name)


def wait_for(service, name):
    """Until a service answers with a model; the alert that stays. (While a rollback is carried, there may be one.)"""
    for _ in range(150):
        told = httpx.get(f"{service.url}/readyz").json()
        if told.get("model") == name and not told["alert"]:
            return ""
        time.sleep(0.1)
    assert told.get("model") == name, told
    return told["alert"]


def test_a_place_that_cannot_be_reached_is_said_and_the_old_champion_answers(company_project, mlbot, tmp_path, monkeypatch):
    """Promoting is done here, exit code 3 says that it was not carried, and a server goes on with an alert."""
    (tmp_path / "settings.ini").write_text("[data]\nsource = company\n[promise]\nwrong = 0\n"
                                           "[places]\ncarried = s3://nowhere/models\n")
    shutil.copytree(company_project / "models", tmp_path / "models")
    with_other(tmp_path / "models")
    champion = read_pointer(tmp_path / "models")
    other = next(name for name in released_names(tmp_path / "models") if name != champion)
    done = mlbot("promote", other, "--unjudged", "--why", "to try the way", cwd=tmp_path, env=keys_of(free_port()))
    assert done.returncode == 3 and "on this machine only" in done.stdout and "mlbot models --push" in done.stderr
    assert read_pointer(tmp_path / "models") == other
    assert mlbot("models", "--pull", cwd=tmp_path, env=keys_of(free_port())).returncode == 3
    for name, value in keys_of(free_port()).items():
        monkeypatch.setenv(name, value)
    service = Service(tmp_path)
    try:
        for _ in range(150):
            told = httpx.get(f"{service.url}/readyz").json()
            if told.get("alert"):
                break
            time.sleep(0.1)
        assert told["model"] == other and told["alert"] == "carried"
        assert "mlbot_model_alert 1.0" in httpx.get(f"{service.url}/metrics").text
    finally:
        service.stop()
    (tmp_path / "settings.ini").write_text("[data]\nsource = company\n")
    done = mlbot("models", "--push", cwd=tmp_path)
    assert done.returncode == 2 and "no place to carry models" in done.stderr
    (tmp_path / "settings.ini").write_text("[places]\ncarried = models\n")
    assert mlbot("models", cwd=tmp_path).returncode == 2


def test_a_run_that_releases_carries_its_model(project, write_settings, mlbot, tmp_path):
    """`mlbot run` on one machine, `mlbot models --pull` on another: the same champion."""
    write_settings(project, places="carried = shared\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "settings.ini").write_text(f"[places]\ncarried = {project / 'shared'}\n")
    done = mlbot("run")
    assert done.returncode == 0 and f"carried: to {project / 'shared'}" in done.stdout, done.stderr
    done = mlbot("models", "--pull", cwd=other)
    assert done.returncode == 0 and read_pointer(other / "models") == read_pointer(project / "models") != "", done.stderr
    told = mlbot("predict", "I lost my badge", "--role", "engineer", cwd=other)
    assert told.returncode == 0 and told.stdout == mlbot("predict", "I lost my badge", "--role", "engineer").stdout


def test_a_trial_reaches_all_and_ends_everywhere(here, there, shared):
    """A model on trial is whole before it is named; where the labels end it, it ends on all; a damaged one starts nowhere."""
    first, second = released_names(here)
    push(here, shared)
    set_canary(here, Canary(first, 0.2, 1000.0, "ann"))
    push_trial(here, shared)
    pull(there, shared)
    assert (last := pull_trial(there, shared, None)) == read_canary(here) == read_canary(there)
    assert pull_trial(here, shared, read_canary(here)) == last
    set_canary(there, None)
    assert pull_trial(there, shared, last) is None and pull_trial(here, shared, last) is None and trial_in(shared) is None
    set_canary(here, Canary(second, 0.5, 2000.0, "ann"))
    assert pull_trial(here, shared, None) is not None, "one that was begun here and not carried goes on"
    shared.put(TRIAL, b'{"model": "x"}')
    with pytest.raises(InputError):
        pull_trial(there, shared, None)
    assert read_canary(there) is None


def test_after_a_kill_between_history_and_pointer_push_names_what_it_carries(here, tmp_path, mlbot):
    """The release is ended, that is said, and the place holds the champion that the command names."""
    first, second = released_names(here)
    (tmp_path / "settings.ini").write_text(f"[data]\nsource = sample\n[places]\nmodels = {here}\n")
    (here / POINTER).write_text(first + "\n")  # as if killed before the last step of the second release
    shared = tmp_path / "shared"
    done = mlbot("models", "--push", shared, cwd=tmp_path)
    assert done.returncode == 0 and f"mended: the release of model {second} was cut short" in done.stdout, done.stderr
    assert f"champion {second}, to" in done.stdout and read_pointer(here) == second
    assert read_releases(open_objects(shared))[-1]["model"] == second
    again = mlbot("models", "--push", shared, cwd=tmp_path)
    assert "mended" not in again.stdout and f"carried: 0 entries of the history, champion {second}" in again.stdout
    (here / POINTER).write_text(first + "\n")
    assert f"mended: the release of model {second}" in mlbot("models", cwd=tmp_path).stdout and read_pointer(here) == second


def test_models_are_listed_where_their_folder_cannot_be_written(here, capsys, monkeypatch, tmp_path):
    import errno

    from mlbot.cli.main import main

    def refuse(folder):
        raise OSError(errno.EROFS, "Read-only file system", str(folder / ".lock"))
    released_names(here)
    (tmp_path / "settings.ini").write_text(f"[data]\nsource = sample\n[places]\nmodels = {here}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlbot.ops.replicate.settle", refuse)
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "cannot be written (Read-only file system)" in shown and f"* {read_pointer(here)}" in shown


def test_a_release_that_was_cut_and_whose_model_is_gone_is_not_carried(here, tmp_path, mlbot):
    """Then nobody knows which model is meant: exit code 2, and nothing is carried."""
    first, second = released_names(here)
    (tmp_path / "settings.ini").write_text(f"[data]\nsource = sample\n[places]\nmodels = {here}\n")
    (here / POINTER).write_text(first + "\n")
    shutil.rmtree(here / second)
    done = mlbot("models", "--push", tmp_path / "shared", cwd=tmp_path)
    assert done.returncode == 2 and "which is not here whole" in done.stderr and not (tmp_path / "shared").exists()


def test_a_release_while_another_one_is_pushed_is_named_by_the_next_push(here, tmp_path, mlbot, monkeypatch):
    """What is printed is what lies there, and not what the pointer says by then."""
    from mlbot.ops import replicate as carry
    first, second = released_names(here)
    (tmp_path / "settings.ini").write_text(f"[data]\nsource = sample\n[places]\nmodels = {here}\n")
    real = carry.push_model

    def slow(models, name, *more):
        real(models, name, *more)
        if read_pointer(here) == second:
            promote(here, first, {"who": "ben", "why": "meanwhile"})
    monkeypatch.setattr(carry, "push_model", slow)
    done = mlbot("models", "--push", tmp_path / "shared", cwd=tmp_path)
    there = read_releases(open_objects(tmp_path / "shared"))[-1]["model"]
    assert there == second and f"champion {second}, to" in done.stdout and read_pointer(here) == first


def test_a_push_by_hand_shares_the_ledgers_of_all_models_and_mends_those_that_are_damaged(here, tmp_path):
    """Also of models that were released before ledgers were shared."""
    first, second = released_names(here)
    shared = open_objects(tmp_path / "shared")
    for name in (first, second):
        write_digests(np.array([7], np.uint64), ledger_file(here, name))
    push(here, shared)
    shared.delete(ledger_object(first))
    shared.put(ledger_object(second), b"")
    push(here, shared)
    assert shared.get(ledger_object(first)) is None and shared.get(ledger_object(second)) == b""
    push(here, shared, again=True)
    assert [shared_ledger(name, shared).tolist() for name in (first, second)] == [[7], [7]]


def test_an_audit_shows_what_is_known_where_a_ledger_cannot_be_fetched(released, mlbot, tmp_path):
    assert mlbot("audit", cwd=released).returncode == 0
    project = Path(shutil.copytree(released, tmp_path / "project"))
    settings = (project / "settings.ini").read_text()
    (project / "settings.ini").write_text(settings.replace("[places]\n", "[places]\ncarried = ../carried\n"))
    ledger, = (project / "models" / "ledger").glob("*.npy")
    open_objects(tmp_path / "carried").put(ledger_object(ledger.stem), b"")
    assert mlbot("audit", cwd=project).returncode == 0  # each ledger is here
    ledger.unlink()
    told = mlbot("audit", cwd=project)
    assert told.returncode == 3 and "no ledger: nobody knows" in told.stdout and "is damaged" in told.stderr, told.stderr


def test_a_push_by_hand_shares_the_sides_and_a_benchmark_elsewhere_knows_them(released, mlbot, tmp_path):
    """A command that only measures goes on where it cannot know them, and says so beside its JSON."""
    shared, new = tmp_path / "shared", tmp_path / "new"
    assert mlbot("models", "--push", str(shared), cwd=released).returncode == 0
    place, = open_objects(shared).names("sides/")
    new.mkdir()
    (new / "settings.ini").write_text(f"[data]\nsource = sample\n[places]\ncarried = {shared}\n")
    measure = ("benchmark", "sample", "--on", "test", "--only", "majority", "--json")
    done = mlbot(*measure, cwd=new)
    assert done.returncode == 0 and "not known" not in done.stderr and json.loads(done.stdout)
    assert read_memory(new / "models").secret == read_memory(released / "models").secret
    open_objects(shared).put(place, b"damaged")
    done = mlbot(*measure, cwd=new)
    assert done.returncode == 0 and "the sides of texts on other machines are not known" in done.stderr
    assert json.loads(done.stdout)
