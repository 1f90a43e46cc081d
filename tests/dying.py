"""Processes that die at their k-th file operation: before it, as a machine does that loses its power."""

import os
import signal
import sys
from pathlib import Path

WRITES = {"os.rename": 1, "os.link": 1, "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0, "os.truncate": 0}  # event > which path


def dies(work, folder: Path, k: int) -> bool:
    """Call `work()` in a fork that is killed before its k-th operation on files below `folder`; whether it came that far.

    Counted are: to open for writing, rename, link, remove, make a folder, fsync.
    """
    pid = os.fork()
    if pid:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status in (0, -signal.SIGKILL), f"the process ended with {status}"
        return status != 0
    left = [k]

    def count(path="") -> None:
        if isinstance(path, int) or str(path).startswith(str(folder)):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    def heard(event: str, arguments: tuple) -> None:
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            count(arguments[0])
        elif event in WRITES:
            count(arguments[WRITES[event]])

    code = 1
    try:
        real = os.fsync
        os.fsync = lambda handle: (count(handle if isinstance(handle, int) else handle.fileno()), real(handle))[1]
        sys.addaudithook(heard)
        work()
        code = 0
    finally:
        os._exit(code)


def each_death(work, prepare, most: int = 500):
    """Prepare a folder, die in it at operation k, and yield k and the folder, for each k until the work comes to its end."""
    for k in range(1, most):
        folder = prepare(k)
        if not dies(lambda: work(folder), folder, k):  # noqa: B023
            assert k > 2, "nothing was counted"
            return
        yield k, folder
    raise AssertionError(f"no end after {most} operations")
