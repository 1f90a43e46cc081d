"""Who asks is told from what is there; an agent does not become a person by saying so, and no address is kept."""

import pytest

from mlbot.errors import InputError
from mlbot.gates.actor import AGENT_MARKS, CI_MARKS, Actor, actor_of, plain_name

SIGNED = "Mend the intents\n\nCo-authored-by: Claude <noreply@example.com>\n"


@pytest.mark.parametrize("mark", AGENT_MARKS)
def test_each_mark_of_an_agent_makes_an_agent_of_whoever_asks(mark):
    assert actor_of({mark: "1"}, user="Ann").kind == actor_of({mark: "1"}, "person:Ann").kind == "agent"
    assert actor_of({mark: "false"}, user="Ann") == actor_of({mark: ""}, user="Ann") == Actor("person", "Ann")


@pytest.mark.parametrize("mark", CI_MARKS)
def test_each_mark_of_a_build_server_makes_it_ci_whoever_wrote_the_commit(mark):
    assert actor_of({mark: "true"}, user="Ann", author="renovate[bot]", message=SIGNED) == Actor("ci", CI_MARKS[mark])


def test_what_is_said_by_hand_comes_first_except_that_no_agent_becomes_a_person():
    assert actor_of({"CI": "true"}, "person:Ann") == Actor("person", "Ann")
    assert actor_of({"CI": "true", "MLBOT_ACTOR": "agent:x"}) == Actor("agent", "x")
    assert actor_of({"MLBOT_ACTOR": "agent:x"}, "ci:y") == Actor("ci", "y")
    assert actor_of({"MLBOT_ACTOR": "person:me", "CURSOR_AGENT": "1"}) == Actor("agent", "cursor")


def test_a_commit_of_an_agent_is_an_agents_question_and_a_person_may_be_called_claude():
    assert actor_of({}, user="Ann", message=SIGNED) == Actor("agent", "claude")
    assert actor_of({}, user="Ann", author="dependabot[bot]") == Actor("agent", "dependabot[bot]")
    assert actor_of({}, user="Ann", author="Claude Monet", message="Ask Claude") == Actor("person", "Ann")
    assert actor_of({}, user="Ann", message="x\n\nCo-authored-by: Bo <bo@x.y>") == Actor("person", "Ann")
    assert actor_of({}) == Actor("person", "")


@pytest.mark.parametrize("text", ["Ann <ann@example.org>", "ann@example.org", "mailto:ann@example.org Ann", "<ann@x>\nAnn"])
def test_no_name_holds_an_address(text):
    assert "@" not in plain_name(text) and "example" not in plain_name(text) and "\n" not in plain_name(text)
    assert "@" not in str(actor_of({}, f"agent:{text}")) + str(actor_of({"AI_AGENT": text})) + str(actor_of({}, user=text))


@pytest.mark.parametrize("word", ["robot:x", "unknown", "", ":x", "agents"])
def test_a_kind_that_nobody_knows_is_refused_because_it_would_have_a_budget_of_its_own(word):
    if not word:
        assert actor_of({}, word).kind == "person"
        return
    with pytest.raises(InputError, match="KIND:NAME"):
        actor_of({}, word)
