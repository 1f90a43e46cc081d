"""The server: what comes in too slowly, too long, broken or in too many parts at once, and what is never fetched."""

import asyncio
import json
import logging
import socket
import struct
from contextlib import suppress

import pytest

http = pytest.importorskip("mlbot.serve.http")
uvloop = pytest.importorskip("uvloop")
HEAD = b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
BIG = b"x" * 20_000_000


class App:
    """An application that echoes bodies; /big sends much, /early answers without the body, /names sends names of headers.

    What it met is kept.
    """

    def __init__(self):
        self.found: list[str] = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        body, more = b"", scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return self.found.append("left")
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/names":
            body = b" ".join(name for name, _ in scope["headers"])
        for size, path in ((len(BIG), "/big"), (20_000, "/page")):
            body = BIG[:size] if scope["path"] == path else body
        await asyncio.sleep(0.2 if scope["path"] == "/later" else 0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
        self.found.append(scope["path"])


class Client:
    """Somebody who writes and reads bytes."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def say(self, *parts: bytes, pause: float = 0.0) -> None:
        """Send bytes, in parts."""
        for part in parts:
            with suppress(ConnectionError, RuntimeError):  # the other side has left
                self.writer.write(part)
                await self.writer.drain()
            await asyncio.sleep(pause)

    async def rest(self, seconds: float = 3.0) -> bytes:
        """All that comes until the other side closes."""
        with suppress(ConnectionError):
            return await asyncio.wait_for(self.reader.read(-1), seconds)
        return b""

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of one answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 3)
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        return int(head.split()[1]), await self.reader.readexactly(length)


def played(play, app=None, **limits):
    """What `play(connect, server, app)` returns, with a server around an application; `limits` as in `mlbot.serve.http`."""
    app = app or App()

    async def main():
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        begun = asyncio.Event()
        serving = asyncio.create_task(http.serve_until_told(app, listening, begun.set))
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()

        async def connect() -> Client:
            return Client(*await asyncio.open_connection(*listening.getsockname()))
        try:
            return await asyncio.wait_for(play(connect, app), 20)
        finally:
            import os
            import signal
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(serving, 20)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr(http, name, value)
        return uvloop.run(main())


def problem(got: bytes) -> dict:
    """The problem in an answer, which says that the connection ends."""
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head and b"connection: close" in head and b"nosniff" in head
    found = json.loads(body)
    assert int(head.split()[1]) == found["status"] and found["detail"] and found["action"] and found["request_id"]
    return found


def test_requests_follow_each_other_on_one_connection():
    async def play(connect, app):
        one = await connect()
        await one.say(HEAD + b"content-length: 2\r\n\r\nab", HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nc\r\n",
                      b"2\r\nde\r\n0\r\n\r\n", pause=0.05)
        await one.say((HEAD + b"content-length: 1\r\n\r\nf") * 3)
        upgrade = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
        await one.say(HEAD + upgrade + b"content-length: 2\r\n\r\ngh", pause=0.1)
        return [(await one.answer())[1] for _ in range(6)]
    assert played(play) == [b"ab", b"cde", b"f", b"f", b"f", b"gh"]


def test_a_wish_for_another_protocol_is_not_granted_however_it_arrives():
    """The request is answered as HTTP/1.1, in any packets and behind any other, and a body is never changed."""
    async def play(connect, app):
        wish = HEAD + b"connection: Upgrade, http2-settings\r\nUPGRADE: h2c\r\nhttp2-settings: AA\r\n"
        wish += b"content-length: 2\r\n\r\nab"
        for at in range(len(HEAD), len(wish)):
            one = await connect()
            await one.say(wish[:at], wish[at:], pause=0.001)
            assert await one.answer() == (200, b"ab"), at
        one, body = await connect(), b"x\r\nupgrade: x\r\n\r\nupgrade: y"
        await one.say(wish * 3, HEAD + b"content-length: %d\r\n\r" % len(body), b"\n" + body, pause=0.05)
        assert [(await one.answer())[1] for _ in range(4)] == [b"ab", b"ab", b"ab", body]
        two = await connect()
        await two.say(b"CONNECT /x HTTP/1.1\r\nhost: x\r\n\r\n" + HEAD + b"content-length: 1\r\n\r\na")
        assert problem(await two.rest())["status"] == 405 and "a" not in app.found
    played(play, LEAVE_SECONDS=0.1)


def test_what_comes_after_a_body_is_no_header():
    async def play(connect, app):
        one = await connect()
        await one.say(HEAD.replace(b"/x", b"/names") + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nafter: b\r\n\r\n")
        return (await one.answer())[1]
    assert played(play) == b"host content-type transfer-encoding"


def test_only_so_many_requests_wait_for_the_one_before_them():
    async def play(connect, app):
        one, two = await connect(), await connect()
        get = b"GET /early HTTP/1.1\r\n\r\n"
        await one.say(get * 65)
        assert [(await one.answer())[0] for _ in range(65)] == [200] * 65
        await two.say(get * 66)
        assert await two.rest() == b"" and len(app.found) <= 66  # of these one had begun
    played(play)


@pytest.mark.parametrize("path", [b"/big", b"/later"])
def test_who_leaves_while_requests_wait_leaves_nothing_behind(path, caplog):
    """Nothing is answered to somebody who is gone, and nothing is said about it in the log."""
    async def play(connect, app):
        for waiting in (1, 3):
            one = await connect()
            await one.say((b"GET " + path + b" HTTP/1.1\r\n\r\n") * waiting, pause=0.05)
            one.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.writer.close()
        await asyncio.sleep(0.5)
        return app.found
    with caplog.at_level(logging.WARNING):
        met = played(play)
    assert len(met) < 4 and not caplog.records


def test_slow_headers_and_silence_are_ended_on_the_first_and_on_later_requests():
    async def play(connect, app):
        silent, slow, later = [await connect() for _ in range(3)]
        await later.say(HEAD + b"content-length: 1\r\n\r\na")
        assert await later.answer() == (200, b"a")
        empty = await connect()
        await empty.say(HEAD + b"content-length: 1\r\n\r\na", b"\r\n", pause=0.05)
        assert await empty.answer() == (200, b"a")
        ends = asyncio.gather(*[one.rest() for one in (silent, slow, later, empty)])
        for letter in b"POST /x HTTP/1.1\r\nhost: x\r\nx: yyyyy":
            for one in (slow, later):
                await one.say(bytes([letter]), pause=0.02)
            good = await connect()
            await good.say(HEAD + b"content-length: 1\r\n\r\nb")
            assert await good.answer() == (200, b"b")
        assert await ends == [b"", b"", b"", b""]
    played(play, HEADER_SECONDS=1.0)


@pytest.mark.parametrize("way", ["length", "chunked", "silent"])
def test_a_slow_body_has_one_deadline_and_whoever_waits_for_it_is_told(way):
    async def play(connect, app):
        one = await connect()
        ending = asyncio.create_task(one.rest())
        await one.say(HEAD + (b"transfer-encoding: chunked\r\n\r\n" if way == "chunked" else b"content-length: 500\r\n\r\n"))
        for _ in range(0 if way == "silent" else 30):
            await one.say(b"1\r\nx\r\n" if way == "chunked" else b"x", pause=0.02)
        assert problem(await ending)["status"] == 408 and app.found == ["left"]
    played(play, BODY_SECONDS=0.3, LEAVE_SECONDS=0.1)


def test_who_goes_on_with_a_body_that_was_answered_is_cut_off():
    async def play(connect, app):
        one = await connect()
        await one.say(HEAD.replace(b"/x", b"/early") + b"content-length: 500\r\n\r\n", pause=0.1)
        assert (await one.answer())[0] == 200
        ending = asyncio.create_task(one.rest())
        for _ in range(20):
            await one.say(b"x", pause=0.02)
        assert await ending == b""
        two = await connect()
        await two.say(HEAD.replace(b"/x", b"/early") + b"content-length: 2\r\n\r\n", b"ab", pause=0.05)
        await two.say(HEAD + b"content-length: 1\r\n\r\nc")
        return [await two.answer(), await two.answer()]
    assert played(play, BODY_SECONDS=0.3) == [(200, b""), (200, b"c")]


@pytest.mark.parametrize("way", ["at once", "in parts", "trailers"])
def test_long_headers_are_refused_and_the_client_can_read_why(way):
    async def play(connect, app):
        one = await connect()
        ending = asyncio.create_task(one.rest())
        long = b"x: " + b"y" * 200_000
        if way == "trailers":
            await one.say(HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", *[b"x: yyyyyyyy\r\n" * 1_000] * 30)
        else:
            await one.say(HEAD + long[:1_000], *([long] if way == "at once" else [long[:5_000]] * 40))
        return await ending
    got = played(play, LEAVE_SECONDS=0.2)
    assert problem(got)["status"] == 431


def test_what_is_no_http_is_refused_and_an_answer_under_way_is_not_mixed_with_it():
    async def play(connect, app):
        for data in (b"\x16\x03\x01 nonsense\r\n\r\n", HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
                     HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"GET /x HTTP/9.9\r\n\r\n",
                     b"GET /x HTTP/1.1\nhost: x\n\n", b"GET /\xff\xfe HTTP/1.1\r\n\r\n"):
            one = await connect()
            await one.say(data)
            assert problem(await one.rest())["status"] == 400, data
        good = await connect()
        await good.say(HEAD + b"content-length: 1\r\n\r\na", b"\x16\x03 nonsense\r\n\r\n", pause=0.1)
        assert await good.answer() == (200, b"a") and problem(await good.rest())["status"] == 400
    played(play, LEAVE_SECONDS=0.1)


def test_a_whole_request_with_nonsense_after_it_is_answered_and_one_with_nonsense_inside_is_told():
    """A client that counts letters for bytes gets an answer, and not a closed connection."""
    async def play(connect, app):
        for path in (b"/x", b"/later"):
            one = await connect()
            await one.say(HEAD.replace(b"/x", path) + b"content-length: 2\r\n\r\nab~")
            assert await one.answer() == (200, b"ab") and await one.rest() == b""
        for part in (b"zz\r\n", b"1\na", b"1\r\naa\r\n", b"fffffffffffffffff\r\n"):
            two = await connect()
            await two.say(HEAD + b"transfer-encoding: chunked\r\n\r\n" + part)
            assert problem(await two.rest())["status"] == 400, part
        return app.found
    assert sorted(played(play, LEAVE_SECONDS=0.1)) == ["/later", "/x", "left", "left", "left", "left"]


def test_what_is_never_fetched_is_not_kept():
    async def play(connect, app):
        one, two = await connect(), await connect()
        for client in (one, two):
            await client.say(HEAD.replace(b"/x", b"/big") + b"content-length: 0\r\n\r\n")
        await asyncio.sleep(0.1)
        assert len(await two.rest(2) if two.reader.at_eof() else (await two.answer())[1]) == len(BIG)
        await asyncio.sleep(2.3)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await one.answer()
        await two.say(HEAD + b"content-length: 1\r\n\r\na")
        assert await two.answer() == (200, b"a")
    played(play, FETCH_SECONDS=2.0)  # enough for 20 MB on a busy machine


def test_the_last_of_what_is_never_fetched_is_not_kept_when_the_connection_ends(monkeypatch):
    """So little that it holds up no application, and would hold up the end of the connection for ever."""
    held = set()

    class Watched(http.Connection):
        """A connection that can be looked at."""

        def connection_made(self, transport):
            held.add(self)
            super().connection_made(transport)

        def connection_lost(self, exc):
            held.discard(self)
            super().connection_lost(exc)
    monkeypatch.setattr(http, "Connection", Watched)

    async def play(connect, app):
        for end in ("later", "at once"):
            one = await connect()
            await asyncio.sleep(0.05)
            (its,) = held
            for _ in range(5_000):
                one.writer.write(b"GET /page HTTP/1.1\r\n\r\n")
                await asyncio.sleep(0.001)
                if its.transport.get_write_buffer_size():
                    break
            if end == "at once":
                one.writer.write_eof()
            await asyncio.sleep(0.1)
            assert held and not its.flow.write_paused
            await asyncio.sleep(2)
            assert not held
    played(play, HEADER_SECONDS=1.0, FETCH_SECONDS=0.5)


def test_too_many_connections_are_refused_and_there_is_room_again():
    """Who is connected already is served, and many more than too many take no files."""
    async def play(connect, app):
        first = await connect()
        await first.say(HEAD + b"content-length: 1\r\n\r\na")
        assert await first.answer() == (200, b"a")
        silent = [await connect() for _ in range(15)]
        await asyncio.sleep(0.05)
        late = await connect()
        assert problem(await late.rest())["status"] == 503
        await first.say(HEAD + b"content-length: 1\r\n\r\nb")
        assert await first.answer() == (200, b"b")
        many = [await connect() for _ in range(http.OTHER_FILES // 4 + 8)]
        assert sorted([not await one.rest() for one in many])[-7:] == [True] * 7
        await asyncio.gather(*[one.rest() for one in silent])
        good = await connect()
        await good.say(HEAD + b"content-length: 1\r\n\r\na")
        return await good.answer()
    assert played(play, room_for_connections=lambda: 16, HEADER_SECONDS=1.0, LEAVE_SECONDS=0.1) == (200, b"a")


def test_more_files_may_be_open_where_the_system_lets_us():
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
        assert http.room_for_connections() > 600 - http.OTHER_FILES and resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 600
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_application_that_cannot_start_is_our_error():
    async def broken(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})
    with pytest.raises(RuntimeError, match="could not start"):
        played(None, app=broken)


def test_who_never_comes_to_an_end_does_not_keep_the_service_from_ending():
    async def endless(scope, receive, send):
        if scope["type"] == "lifespan":
            return await App()(scope, receive, send)
        await asyncio.sleep(600)

    async def play(connect, app):
        one = await connect()
        await one.say(HEAD + b"content-length: 0\r\n\r\n", pause=0.1)
        return one
    assert played(play, app=endless, ENDING_SECONDS=0.3)  # within the seconds that `played` waits
