"""Certificates of any shape and age, made by openssl."""
import datetime
import hashlib
import secrets
import ssl
import subprocess

CONFIG = """
[ca]
default_ca = it
[it]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
preserve = yes
[any]
countryName = optional
organizationName = optional
commonName = optional
"""


def openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, f"openssl {args}: {done.stderr}"


def moment(days):
    """So many days from now, as openssl ca wants it."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, minutes=1)
    return when.strftime("%Y%m%d%H%M%SZ")


class Authority:
    """A CA, of its own or of another one; all certificates and keys of a test lie in the server's
    folder as NAME.pem and NAME.key."""

    def __init__(self, server, name="ca", subject=None, by=None):
        self.folder = server.folder
        self.own = server.folder / f"{name}.d"
        self.own.mkdir()
        self.name = name
        (self.own / "index.txt").write_text("")
        (self.own / "config").write_text(CONFIG.format(folder=self.own))
        self.pem = self.folder / f"{name}.pem"
        self.key = self.folder / f"{name}.key"
        (by or self)._make(name, subject or f"/CN={name}", "basicConstraints=critical,CA:TRUE\n"
                           "keyUsage=critical,keyCertSign", self.key, by and by.pem, -2, 400)

    def issue(self, name, subject=None, san=None, eku=None, start=-1, end=40, selfsigned=False):
        """A certificate of this CA, or of nobody; gives its path. Times are in days from now."""
        extensions = "basicConstraints=critical,CA:FALSE\n"
        if san is not None:
            extensions += f"subjectAltName={san}\n"
        if eku is not None:
            extensions += f"extendedKeyUsage={eku}\n"
        key = self.folder / f"{name}.key"
        return self._make(name, subject or f"/CN={name}", extensions, key,
                          None if selfsigned else self.pem, start, end)

    def _make(self, name, subject, extensions, key, issuer, start, end):
        pem, request = self.folder / f"{name}.pem", self.own / "request"
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", subject, "-keyout", key, "-out", request)
        (self.own / "extensions").write_text(extensions)
        (self.own / "serial").write_text(secrets.token_hex(8) + "\n")
        by = ["-selfsign", "-keyfile", key] if issuer is None else \
            ["-cert", issuer, "-keyfile", self.key]
        openssl("ca", "-config", self.own / "config", "-batch", "-notext", *by,
                "-startdate", moment(start), "-enddate", moment(end), "-extfile",
                self.own / "extensions", "-in", request, "-out", pem)
        return pem


def der(path):
    """Of the first certificate in a file."""
    text = path.read_text()
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(text[:text.index(end) + len(end)])


def fingerprint(path):
    return hashlib.sha256(der(path)).hexdigest()
