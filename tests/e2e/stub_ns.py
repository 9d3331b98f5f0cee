"""Network servers to which answers are posted: good ones, slow ones and such as never answer."""
import contextlib
import http.server
import json
import socket
import ssl
import threading
import time

from server import SLOW


def wait_for(what, condition, seconds=10):
    deadline = time.monotonic() + seconds * SLOW
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


class Post:
    """One that arrived."""

    def __init__(self, path, headers, octets, certificate):
        self.at = time.monotonic()
        self.path, self.headers, self.octets = path, headers, octets
        self.certificate = certificate  # DER of the client's, or None
        self.message = json.loads(octets)
        self.number = self.message["TransactionID"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        octets = self.rfile.read(int(self.headers["Content-Length"]))
        shown = self.request.getpeercert(True) if isinstance(self.request, ssl.SSLSocket) else None
        stub = self.server.stub
        with stub.lock:
            stub.posts.append(Post(self.path, self.headers, octets, shown))
            status = stub.statuses.pop(0) if len(stub.statuses) > 1 else stub.statuses[0]
        time.sleep(stub.delay)
        self.send_response(status)
        for name, value in stub.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def get_request(self):
        link, address = super().get_request()
        if self.stub.context is not None:  # the handshake is the thread's that serves it
            link = self.stub.context.wrap_socket(link, server_side=True,
                                                 do_handshake_on_connect=False)
        return link, address

    def handle_error(self, request, client_address):
        pass  # a client that refuses our certificate


class Network:
    """A network server on a free port; `statuses` are answered in turn, the last one for ever."""

    def __init__(self, *statuses, context=None, delay=0, host="127.0.0.1", **headers):
        self.statuses = list(statuses) or [200]
        self.context, self.delay, self.headers = context, delay, headers
        self.lock = threading.Lock()
        self.posts = []
        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.listener.stub = self
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://{host}:{self.listener.server_port}/answers?to=us"
        self.thread = threading.Thread(target=self.listener.serve_forever,
                                       kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.listener.shutdown()
        self.thread.join()
        self.listener.server_close()

    def of(self, number):
        """The posts of a transaction."""
        with self.lock:
            return [post for post in self.posts if post.number == number]

    def wait(self, number):
        wait_for(f"the answer to {number} is posted", lambda: self.of(number))
        return self.of(number)[0]


@contextlib.contextmanager
def silent():
    """The URL of one that accepts connections and says nothing."""
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        link.listen(512)
        yield f"http://127.0.0.1:{link.getsockname()[1]}/"


def serving(pem, key, ca=None):
    """A server's TLS context; with `ca` it asks for a client certificate of that CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)
    return context
