"""HTTP to the server under test, with control over everything that a case wants to get wrong."""
import http.client
import ssl
import time
import urllib.parse


class Unreachable(Exception):
    """No HTTP answer at all."""


class Answer:
    def __init__(self, status, headers, octets, seconds):
        self.status, self.octets, self.seconds = status, octets, seconds
        self.headers = {name.lower(): value for name, value in headers}


class Link:
    """Where the server is. A new connection for each request, unless one is to be kept."""

    def __init__(self, url, ca=None, timeout=10):
        self.url = urllib.parse.urlsplit(url)
        if self.url.scheme not in ("http", "https") or not self.url.hostname:
            raise ValueError(f"not an http or https address: {url}")
        self.ca, self.timeout = ca, timeout
        self.kept = {}

    def connect(self, certificate):
        if self.url.scheme == "http":
            return http.client.HTTPConnection(self.url.hostname, self.url.port,
                                              timeout=self.timeout)
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(*certificate)
        return http.client.HTTPSConnection(self.url.hostname, self.url.port, context=context,
                                           timeout=self.timeout)

    def hang_up(self):
        for connection in self.kept.values():
            connection.close()
        self.kept = {}

    def send(self, method, headers, octets, certificate=None, chunked=False, keep=False):
        """
        One request. `octets` None: no body and no Content-Length. With `keep` the connection is
        that of the earlier request of the case, and losing it is Unreachable.
        """
        begun = time.monotonic()
        connection = self.kept.get(certificate) if keep else None
        first = connection is None
        try:
            if first:
                connection = self.connect(certificate)
                connection.connect()
            answer = self.exchange(connection, method, headers, octets, chunked)
        except (OSError, http.client.HTTPException) as error:
            if connection is not None:
                connection.close()
            raise Unreachable(str(error) or type(error).__name__) from error
        if keep:
            connection.auto_open = 0
            self.kept[certificate] = connection
        else:
            connection.close()
        return Answer(answer.status, answer.getheaders(), answer.body,
                      time.monotonic() - begun)

    def exchange(self, connection, method, headers, octets, chunked):
        path = self.url.path or "/"
        path += "?" + self.url.query if self.url.query else ""
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif octets is not None:
            connection.putheader("Content-Length", str(len(octets)))
        try:
            connection.endheaders(pieces(octets, chunked))
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass  # refused before all was sent: the answer may be there
        answer = connection.getresponse()
        answer.body = answer.read()
        return answer


def pieces(octets, chunked):
    if not octets or not chunked:
        return octets
    half = len(octets) // 2
    parts = [octets[:half], octets[half:], b""]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
