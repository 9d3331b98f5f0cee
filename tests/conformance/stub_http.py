"""The stub behind HTTP, on a port of this machine."""
import contextlib
import http.server
import threading

from stub import Bad, Stub


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one piece, or each answer waits for an acknowledgement

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.stub.wrong("no-chunks"):
            raise Bad(411)
        octets = b""
        while size := int(self.rfile.readline(), 16):
            octets += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return octets

    def do_POST(self):
        stub = self.server.stub
        try:
            octets = self.body()
            if len(octets) > 32768 and not stub.wrong("any-size"):
                raise Bad(413)
            self.send(*stub.answer(self.headers, octets))
        except Bad as bad:
            self.send(bad.status, "text/plain", b"")
        if stub.wrong("closes"):
            self.close_connection = True

    def do_GET(self):
        self.send(200 if self.server.stub.wrong("any-method") else 405, "text/plain", b"")

    do_PUT = do_DELETE = do_PATCH = do_GET

    def send(self, status, kind, octets):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)


@contextlib.contextmanager
def running(*faults):
    """(URL, Stub) of a stub on a free port of this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.stub = Stub(faults)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", server.stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
