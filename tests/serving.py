"""Servers as processes of their own, for the tests that talk to them; above all `mlbot serve`."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

from mlbot.bot.identity import Identity, find_secret, sign


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(command, port):
    """A server as a process of its own, until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            assert process.poll() is None, "the server stopped"
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def ask_server(method: str, port: int, path: str, headers: dict | None = None) -> None:
    """An empty request, which the server grants."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, headers={"Content-Length": "0", **(headers or {})})
    assert connection.getresponse().status in (200, 201)


class Service:
    """`mlbot serve` as a process of its own, on a project with a released model."""

    def __init__(self, root: Path, *options: str):
        self.root, self.port = root, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "mlbot", "serve", "--port", str(self.port), *options]
        self.process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(200):
            try:
                if httpx.get(f"{self.url}/livez").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        else:
            raise AssertionError(self.stop())
        secret = find_secret(root / "events" / "secret")
        # A connection a request: the service closes one that was silent for 10 seconds, and on a machine that is so busy that
        # a process waits for seconds, a request that is on its way would meet that.
        self.client = httpx.Client(base_url=self.url, timeout=20, limits=httpx.Limits(max_keepalive_connections=0))
        self.ada = {"authorization": f"Bearer {sign(Identity('ada', 'sales', 'de', expires=time.time() + 999), secret)}"}
        self.grace = {"authorization": f"Bearer {sign(Identity('Grace', agent=True, expires=time.time() + 999), secret)}"}
        self.late = {"authorization": f"Bearer {sign(Identity('Grace', agent=True, expires=time.time() - 1), secret)}"}

    def stop(self) -> str:
        """End it; what it has said."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=40)
        return out + err

    def raw(self, data: bytes, wait: float = 5.0) -> bytes:
        """Send bytes, and read until the other side closes or stays silent."""
        with socket.create_connection(("127.0.0.1", self.port), wait) as connection:
            connection.sendall(data)
            got = b""
            try:
                while part := connection.recv(65536):
                    got += part
                    if b"\r\n\r\n" in got:
                        connection.settimeout(0.3)
            except TimeoutError:
                pass
            return got
