"""The application of the story: it greets, and says which release does.

A process starts in the directory of its release. That of v3 has its greeting under a wrong name, so v3 ends at once.
"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RELEASE = os.environ["ROLLCORE_RELEASE_ID"]

with open("greeting.txt", encoding="utf-8") as file:
    GREETING = file.read().strip()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are written apart; the second would wait for an acknowledgement of the first.
    disable_nagle_algorithm = True

    def do_GET(self):
        body = f"{GREETING} ({RELEASE})\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-release", RELEASE)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Says nothing: a line per request would only be noise."""


class Server(ThreadingHTTPServer):
    # The default of 5 would refuse connections that arrive together.
    request_queue_size = 256


Server(("127.0.0.1", int(os.environ["ROLLCORE_PORT"])), Handler).serve_forever()
