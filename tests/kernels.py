"""Kernels that a test starts itself, without the pipeline."""

import tempfile
from contextlib import contextmanager

from traitlets.config import Config

from mlbot.run.kernel import sockets


@contextmanager
def by_files():
    """Settings by which a kernel is reached through files of its own: another process could take its ports first."""
    with tempfile.TemporaryDirectory() as folder:
        yield Config(KernelManager=sockets(folder))
