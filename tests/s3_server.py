"""moto's S3 server, which answers one request at a time: python tests/s3_server.py PORT"""

import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

LOCK = threading.Lock()
APP = DomainDispatcherApplication(create_backend_app)


def one_at_a_time(environ, start_response):
    """The answer to a request, made while no other is."""
    with LOCK:
        return list(APP(environ, start_response))


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time, threaded=True)
