"""A small shop window: pages, a stream, server-sent events and an echo, with nothing but the standard library.

It says in `x-release` which release answered. On SIGTERM it finishes what it has begun, and ends.
"""

import contextlib
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import release

PIECES = 10
STREAM_PAUSE = 0.1
EVENT_PAUSE = 0.05
BROKEN = release.SETTINGS.get("BROKEN")


class Server(ThreadingHTTPServer):
    # The default of 5 would refuse connections that arrive together.
    request_queue_size = 256
    # Ending waits for the threads, so that every answer is finished.
    daemon_threads = False
    block_on_close = True

    def __init__(self, address):
        super().__init__(address, Handler)
        self.lock = threading.Lock()
        self.idle = set()
        self.leaving = False

    def leave(self):
        with self.lock:
            self.leaving = True
            for connection in self.idle:
                # One that the other side has closed already cannot be shut down, and need not be.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.shutdown()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are written apart; the second would wait for an acknowledgement of the first.
    disable_nagle_algorithm = True

    def handle_one_request(self):
        with self.server.lock:
            if self.server.leaving:
                self.close_connection = True
                return
            self.server.idle.add(self.connection)
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True
        finally:
            self.busy()

    def busy(self):
        with self.server.lock:
            self.server.idle.discard(self.connection)

    def parse_request(self):
        # Called as soon as a request has begun to arrive.
        self.busy()
        return super().parse_request()

    def do_GET(self):
        if BROKEN == "answers-500":
            self.text(500, "broken\n")
        elif self.path == "/ping":
            self.text(200, "pong\n")
        elif self.path == "/":
            self.text(200, f"{release.SETTINGS.get('GREETING', 'hello')} ({release.ID})\n")
        elif self.path == "/stream":
            self.slowly("text/plain", STREAM_PAUSE, "piece {} of {}\n")
        elif self.path == "/events":
            self.slowly("text/event-stream", EVENT_PAUSE, "data: {} of {}\n\n")
        else:
            self.text(404, "not found\n")

    def do_POST(self):
        body = self.body()
        if BROKEN == "answers-500":
            self.text(500, "broken\n")
        elif self.path == "/echo":
            self.send(200, "application/octet-stream", body)
        else:
            self.text(404, "not found\n")

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", "0")))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def text(self, status, text):
        self.send(status, "text/plain; charset=utf-8", text.encode())

    def send(self, status, kind, body):
        self.head(status, kind, "content-length", str(len(body)))
        self.wfile.write(body)

    def head(self, status, kind, name, value):
        self.send_response(status)
        self.send_header("x-release", release.ID)
        self.send_header("content-type", kind)
        self.send_header(name, value)
        if self.server.leaving:
            self.send_header("connection", "close")
        self.end_headers()

    def slowly(self, kind, pause, piece):
        self.head(200, kind, "transfer-encoding", "chunked")
        for number in range(1, PIECES + 1):
            if number > 1:
                time.sleep(pause)
            data = piece.format(number, PIECES).encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format, *args):
        """Says nothing: a line per request would only be noise."""


def wait_for_ever():
    threading.Event().wait()


def hang():
    with socket.create_server(("127.0.0.1", release.PORT)) as listener:
        accepted = []
        while True:
            accepted.append(listener.accept())


def serve():
    server = Server(("127.0.0.1", release.PORT))
    # `shutdown` waits for the loop that the signal has interrupted, so another thread has to call it.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.leave).start())
    print(f"{release.ID} is listening on {server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    if BROKEN == "exits-at-boot":
        sys.exit("AUTH_SECRET missing")
    {"never-listens": wait_for_ever, "hangs-on-accept": hang}.get(BROKEN, serve)()
