"""A process is started once, by a signed call to an allowed address, and the person is told how it truly stands."""

import base64
import hmac
import json
import socket
import threading
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlbot.bot.catalogue import Process
from mlbot.bot.conversation import HELD, Bot, NotFound, cancel_asked, transcript
from mlbot.bot.events import Event, EventLog
from mlbot.bot.frames import BOT, QUEUE, Act, Step
from mlbot.bot.identity import Identity, webhook_secret
from mlbot.bot.requests import REQUEST_EVENTS, requests_of
from mlbot.bot.texts import texts
from mlbot.errors import InputError
from mlbot.serve import outbox
from mlbot.serve.outbox import WAITS, Outbox, call, calls_due, check_signed, sign_call, tell_inbox, tell_later, work
from mlbot.settings import load_settings
from mlbot.text.clean import pseudonym

SAYS = texts("en")["says"]
ACCEPTED, RECORDED, FAILED, REFUSED = (SAYS[f"told_{state}"] for state in ("accepted", "recorded", "failed", "refused"))
ADA, SECRET = Identity("ada", "sales", "de"), webhook_secret("a secret of more than 16 characters")


class Receiver:
    """A process on this machine that answers with the statuses it is told, and keeps what it was sent."""

    def __init__(self):
        self.got, self.statuses, self.body, self.effects = [], [], b"{}", set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append((self.path, dict(self.headers), body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                if status == 0:
                    receiver.effects.add(self.headers["webhook-id"])
                    self.connection.close()  # it has begun, and nobody is told
                    return
                if 200 <= status < 300:
                    receiver.effects.add(self.headers["webhook-id"])
                self.send_response(status)
                self.send_header("location", "http://169.254.169.254/")
                self.send_header("content-length", str(len(receiver.body)))
                self.end_headers()
                self.wfile.write(receiver.body)

            def log_message(self, *args):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


class Clock:
    """A clock that stands still until it is told."""
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bot(tmp_path, receiver):
    processes = {"leave": Process("leave", "Annual leave", queue="hr", url=f"{receiver.url}/start?x=1"),
                 "note": Process("note", "A note")}
    found = Bot(EventLog(tmp_path / "events.db", Clock()), lambda about: None, lambda: processes, load_settings().costs)
    found.log.clock.now = Clock.now
    yield found
    found.log.close()


def started(bot, process="leave", slots=None):
    """A conversation in which a process was asked for."""
    talk = bot.start(ADA)
    found = bot.read(talk.id, ADA)
    step = Step(found.state, starts=process, slots=slots or {"first_day": "2026-12-01"})
    bot.log.append(bot.started(found, step, bot.processes()[process]))
    return talk.id


def last(bot, about):
    """The last message of a conversation, and who owns it."""
    found = bot.read(about, ADA)
    return found.messages[-1].text, found.state.owner


def test_a_call_is_signed_carries_its_key_and_what_the_process_says_is_told(bot, receiver):
    receiver.body = json.dumps({"message": "Your leave is booked."}).encode()
    about = started(bot)
    assert work(bot, SECRET, [receiver.url]) == 1 and work(bot, SECRET, [receiver.url]) == 0
    (path, headers, body), = receiver.got
    key, at = headers["webhook-id"], headers["webhook-timestamp"]
    raw = base64.b64decode(SECRET.removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.new(raw, f"{key}.{at}.".encode() + body, sha256).digest()).decode()
    assert SECRET != webhook_secret("another secret of 16") and "more than" not in SECRET
    assert path == "/start?x=1" and headers["webhook-signature"] == f"v1,{wanted}" and headers["Idempotency-Key"] == key
    sent = json.loads(body)
    assert sent["slots"] == {"first_day": "2026-12-01"} and sent["role"] == "sales" and sent["conversation"] == about
    assert last(bot, about) == ("Your leave is booked.", BOT)


def test_without_an_address_it_is_recorded(bot):
    about = started(bot, "note")
    assert work(bot, SECRET, []) == 0 and last(bot, about) == (RECORDED.format(title="A note"), BOT)


def test_failures_are_tried_again_with_the_same_key_after_a_while_and_the_effect_is_one(bot, receiver):
    receiver.statuses = [500, 0, 429]
    about = started(bot)
    for _ in range(20):
        work(bot, SECRET, [receiver.url])
        bot.log.clock.now += 40
    assert len(receiver.got) == 4 and len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert len(receiver.effects) == 1 and last(bot, about) == (ACCEPTED.format(title="Annual leave"), BOT)
    assert len(bot.log.read(("process.done",))) == 1


def test_after_the_last_try_a_person_takes_over_and_is_told_that_nobody_knows(bot, receiver):
    receiver.statuses = [503] * 20
    about = started(bot)
    for _ in range(40):
        work(bot, SECRET, [receiver.url])
        bot.log.clock.now += 60
    assert len(receiver.got) == len(WAITS)
    assert last(bot, about) == (FAILED.format(title="Annual leave"), QUEUE) and calls_due(bot.log) == []
    assert bot.read(about, ADA).state.queue == "hr"


@pytest.mark.parametrize("status", [302, 400, 404])
def test_a_refusal_is_final_and_a_redirect_is_never_followed(bot, receiver, status):
    receiver.statuses = [status]
    about = started(bot)
    work(bot, SECRET, [receiver.url])
    bot.log.clock.now += 1000
    work(bot, SECRET, [receiver.url])
    assert len(receiver.got) == 1 and "has not started" in last(bot, about)[0] and last(bot, about)[1] == QUEUE


def test_a_try_that_died_is_followed_by_the_next_one_and_two_servers_make_one_call(bot, receiver, tmp_path):
    started(bot)
    item, = calls_due(bot.log)
    tried = Event("process.tried", item.event.about, {"attempt": 1}, once=f"try:{item.event.about}:1")
    bot.log.append(tried)  # and then it died
    assert calls_due(bot.log) == []
    bot.log.clock.now += 60
    other = Bot(EventLog(tmp_path / "events.db", bot.log.clock), bot.model, bot.processes, bot.costs)
    threads = [threading.Thread(target=work, args=(server, SECRET, [receiver.url])) for server in (bot, other, bot, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.got) == 1 and len(bot.log.read(("process.done",))) == 1
    other.log.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://127.0.0.1:1/x", "http://user@127.0.0.1/",
                                 "http://allowed.example.evil.com/", "//127.0.0.1/", "http://[::1/", ""])
def test_no_other_address_is_ever_called(url, receiver):
    with pytest.raises(InputError, match="may not be called"):
        call(url, "k", {}, SECRET, [receiver.url, "http://allowed.example"], 1.0)
    assert receiver.got == []


def test_a_name_that_leads_inside_is_not_called_and_is_looked_up_once(receiver, monkeypatch):
    asked, port = [], int(receiver.url.rpartition(":")[2])

    def lookup(host, port, *rest, **options):
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(outbox.socket, "getaddrinfo", lookup)
    with pytest.raises(InputError, match="internal address 127.0.0.1"):
        call(f"http://intranet.example:{port}/x", "k", {}, SECRET, [f"http://intranet.example:{port}"], 1.0)
    assert asked == ["intranet.example"] and receiver.got == []
    monkeypatch.undo()
    assert call(f"{receiver.url}/x", "k", {}, SECRET, [receiver.url], 1.0).done


def test_nobody_there_and_silence_are_no_answer(monkeypatch, receiver):
    assert call("http://127.0.0.1:9/", "k", {}, SECRET, ["http://127.0.0.1:9"], 1.0).status == 0
    receiver.body = b"\xff not json"
    assert call(f"{receiver.url}/", "k", {}, SECRET, [receiver.url], 1.0) == outbox.Called(200, "")


def test_the_inbox_gets_each_hand_over_once_and_in_order(bot, receiver):
    talk = bot.start(ADA)
    bot.act(talk.id, ADA, Act(person=True))
    receiver.statuses = [500]
    assert tell_inbox(bot, f"{receiver.url}/inbox", SECRET, [receiver.url]) is None
    assert tell_inbox(bot, f"{receiver.url}/inbox", SECRET, [receiver.url]) == 1
    assert tell_inbox(bot, f"{receiver.url}/inbox", SECRET, [receiver.url]) == 0
    told = json.loads(receiver.got[-1][2])
    assert told["name"] == "handoff.initiate" and told["attachments"][0]["name"] == "transcript"
    assert transcript(bot.read(talk.id, ADA).messages)[0]["from"] == "bot"


def test_the_thread_goes_on_after_a_failure(bot, receiver):
    problems = []
    box = Outbox(bot, SECRET, [receiver.url], every=0.02, failed=problems.append)
    read, bot.log.read = bot.log.read, None
    box.once()
    bot.log.read = read
    about = started(bot)
    box.start()
    for _ in range(200):
        if last(bot, about)[0].startswith("Done"):
            break
        threading.Event().wait(0.02)
    box.stop()
    assert len(problems) == 1 and last(bot, about)[0] == ACCEPTED.format(title="Annual leave")


class Drip:
    """A receiver that sends one byte every tenth of a second, and never ends."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url, self.calls = f"http://127.0.0.1:{self.socket.getsockname()[1]}", 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.calls += 1
            threading.Thread(target=self.drip, args=(connection,), daemon=True).start()

    def drip(self, connection):
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                connection.sendall(b"x")
                threading.Event().wait(0.1)
        except OSError:
            connection.close()


def test_a_receiver_that_never_ends_is_hung_up_and_does_not_stop_others(bot, receiver, monkeypatch):
    monkeypatch.setattr(outbox, "TIMEOUT", 1.0)
    drip = Drip()
    processes = {**bot.processes(), "slow": Process("slow", "Slow", url=f"{drip.url}/x")}
    bot.processes = lambda: processes
    slow, quick = started(bot, "slow"), started(bot)
    assert work(bot, SECRET, [receiver.url, drip.url]) == 2
    assert last(bot, quick)[0] == ACCEPTED.format(title="Annual leave") and drip.calls == 1
    assert "Slow" not in last(bot, slow)[0] and [event.body for event in bot.log.read(("process.missed",))] == [{"status": 0}]
    drip.socket.close()


def test_what_was_left_for_a_week_is_not_started_but_given_to_a_person(bot, receiver):
    about = started(bot)
    bot.log.clock.now += outbox.OLD + 10
    box = Outbox(bot, SECRET, [receiver.url])
    box.once()
    assert receiver.got == [] and last(bot, about) == (FAILED.format(title="Annual leave"), QUEUE)


def test_a_failure_opens_a_closed_conversation_again_and_is_handed_over(bot, receiver):
    from mlbot.bot.conversation import close, take
    receiver.statuses = [404]
    about = started(bot)
    bot.act(about, ADA, Act(person=True))
    grace = Identity("Grace", agent=True)
    take(bot, about, grace)
    close(bot, about, grace)
    work(bot, SECRET, [receiver.url])
    assert last(bot, about)[1] == QUEUE and len(bot.log.read(("handoff.initiate",))) == 2
    bot.desk.follow()
    assert bot.desk.cases[about].role == "sales"


def test_a_clock_that_was_set_back_makes_nobody_wait(bot, receiver):
    receiver.statuses = [500]
    about = started(bot)
    work(bot, SECRET, [receiver.url])
    bot.log.clock.now -= 3600
    work(bot, SECRET, [receiver.url])
    assert len(receiver.got) == 2 and last(bot, about)[0] == ACCEPTED.format(title="Annual leave")


def test_an_inbox_that_is_down_is_asked_less_and_less_often(bot, receiver):
    talk = bot.start(ADA)
    bot.act(talk.id, ADA, Act(person=True))
    receiver.statuses = [500] * 100
    box = Outbox(bot, SECRET, [receiver.url], inbox=f"{receiver.url}/inbox")
    for _ in range(600):
        box.once()
        bot.log.clock.now += 0.5
    assert 5 <= len(receiver.got) <= 12


def test_a_held_value_is_sent_as_it_is_and_not_kept_afterwards(bot, receiver):
    """The process gets the e-mail address; the log never has it, and once the process is over nobody has."""
    talk = bot.start(ADA)
    found = bot.read(talk.id, ADA)
    step = Step(found.state, starts="leave", slots={"email": HELD, "days": 3})
    asked = bot.started(found, step, bot.processes()["leave"])
    receiver.statuses = [500]
    bot.log.append(asked, hold={asked.about: {"email": "ada@example.org"}})
    work(bot, SECRET, [receiver.url])
    assert bot.log.held(asked.about)  # it is tried again
    bot.log.clock.now += 40
    work(bot, SECRET, [receiver.url])
    assert [json.loads(body)["slots"] for *_, body in receiver.got] == [{"email": "ada@example.org", "days": 3}] * 2
    assert bot.log.held(asked.about) == {} and "example.org" not in json.dumps([event.body for event in bot.log.read()])


def test_a_process_whose_values_are_held_no_more_is_not_called(bot, receiver):
    talk = bot.start(ADA)
    found = bot.read(talk.id, ADA)
    bot.log.append(bot.started(found, Step(found.state, starts="leave", slots={"email": HELD}), bot.processes()["leave"]))
    assert work(bot, SECRET, [receiver.url]) == 0 and not receiver.got
    assert last(bot, talk.id) == (REFUSED.format(title="Annual leave"), QUEUE)


def signed(key, body, at):
    """The headers of a call that a receiver makes."""
    return {"webhook-id": key, "webhook-timestamp": str(int(at)), "webhook-signature": sign_call(key, int(at), body, SECRET)}


def states(bot):
    """The states of Ada's requests."""
    return [request.state for request in requests_of(bot.log.read(REQUEST_EVENTS, person=pseudonym("ada")))]


@pytest.mark.parametrize("answer, state, says", [
    ({}, "accepted", "accepted"), ({"state": "done"}, "done", "Done"), ({"state": "waiting"}, "waiting", "not done yet"),
    ({"state": "refused"}, "refused", "was refused"), ({"state": "finished"}, "accepted", "accepted"),
    ({"state": "waiting", "message": "Your boss is asked."}, "waiting", "Your boss is asked.")])
def test_the_reply_of_the_receiver_is_the_state_and_only_it_can_say_done(bot, receiver, answer, state, says):
    receiver.body = json.dumps(answer).encode()
    about = started(bot)
    assert states(bot) == ["sent"]
    work(bot, SECRET, [receiver.url])
    assert states(bot) == [state] and says in last(bot, about)[0] and last(bot, about)[1] == BOT
    assert "Done" not in last(bot, about)[0] or state == "done"


def test_a_receiver_tells_later_once_and_in_the_language_of_the_conversation(bot, receiver):
    about = started(bot)
    work(bot, SECRET, [receiver.url])
    name, = (event.about for event in bot.log.read(("process.asked",)))
    found = bot.read(about, ADA)
    german = replace(found.state, language="de")
    bot.log.append(Event("turn", about, {"messages": [], "state": german.as_dict()}, found.person, turn=found.turn + 1))
    assert tell_later(bot, name, "waiting", "", "m1") and tell_later(bot, name, "done", "", "m2")
    assert not tell_later(bot, name, "refused", "", "m2") and states(bot) == ["done"]  # the same key says nothing new
    assert last(bot, about) == ("Erledigt: „Annual leave“.", BOT)
    with pytest.raises(NotFound):
        tell_later(bot, "p-nobody-knows", "done", "", "m3")
    with pytest.raises(InputError, match="finished"):
        tell_later(bot, name, "finished", "", "m4")


@pytest.mark.parametrize("spoil", ["body", "key", "old", "secret", "none"])
def test_nobody_else_can_say_that_a_request_is_done(bot, spoil):
    body, at = b'{"state": "done"}', bot.log.clock()
    headers = signed("m1", body, at)
    check_signed("m1", headers["webhook-timestamp"], body, headers["webhook-signature"], SECRET, at)
    given = {"key": "m2" if spoil == "key" else "m1", "at": headers["webhook-timestamp"],
             "body": body + b" " if spoil == "body" else body,
             "signature": "" if spoil == "none" else headers["webhook-signature"],
             "secret": webhook_secret("another secret of 16 chars") if spoil == "secret" else SECRET,
             "now": at + 301 if spoil == "old" else at}
    with pytest.raises(InputError, match="no valid signature"):
        check_signed(**given)


def test_a_request_that_is_taken_back_is_called_with_its_name_and_told_cancelled(bot, receiver):
    about = started(bot)
    work(bot, SECRET, [receiver.url])
    found, request = bot.read(about, ADA), requests_of(bot.log.read(REQUEST_EVENTS))[0]
    bot.log.append(cancel_asked(found, request, bot.processes()["leave"]))
    assert states(bot) == ["accepted"]  # not before the receiver agrees
    work(bot, SECRET, [receiver.url])
    assert json.loads(receiver.got[-1][2])["cancels"] == request.id and states(bot) == ["cancelled"]
    assert last(bot, about) == ("“Annual leave” is cancelled.", BOT)


def test_a_cancellation_that_is_refused_leaves_the_request_as_it_is_and_calls_a_person(bot, receiver):
    about = started(bot)
    work(bot, SECRET, [receiver.url])
    found, request = bot.read(about, ADA), requests_of(bot.log.read(REQUEST_EVENTS))[0]
    bot.log.append(cancel_asked(found, request, bot.processes()["leave"]))
    receiver.statuses = [404]
    work(bot, SECRET, [receiver.url])
    assert states(bot) == ["accepted"] and last(bot, about)[1] == QUEUE and "could not be cancelled" in last(bot, about)[0]


def test_events_of_older_versions_keep_their_meaning():
    """They carry no state: a call that succeeded was accepted, and one without an address recorded."""
    body = {"conversation": "c1", "process": "leave", "slots": {}, "role": "", "location": "", "title": "Annual leave"}
    called, quiet = {**body, "url": "https://hr.example"}, {**body, "url": ""}
    events = [Event("process.asked", "p1", called), Event("process.done", "p1", {"status": 200}),
              Event("process.asked", "p2", quiet), Event("process.done", "p2", {"status": 200}),
              Event("process.asked", "p3", called), Event("process.failed", "p3", {"status": 0})]
    assert [request.state for request in requests_of(events)] == ["accepted", "recorded", "failed"]
