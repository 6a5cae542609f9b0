"""Amazon's own client of Redshift, over the Postgres behind the tests' own Data API.

What keeps it from a Postgres, and is mended here: it tells the server of settings that only Redshift knows when it connects; it cannot read the
version of a distribution's Postgres; it stumbles over the end of the list of ways in which Postgres takes a password.
"""

import socket
import struct
import urllib.parse

import redshift_connector
from redshift_connector import core

KNOWN = (b"user", b"database", b"application_name")


class Startup:
    """A connection's stream, of whose first message those settings are left out."""

    def __init__(self, file):
        self.file, self.started = file, False

    def write(self, data):
        if self.started:
            return self.file.write(data)
        if len(data) == 4:
            return len(data)  # How long the message would have been.
        self.started = True
        words = bytes(data[4:-2]).split(b"\0")
        kept = b"".join(b"%s\0%s\0" % pair for pair in zip(words[::2], words[1::2]) if pair[0] in KNOWN)
        return self.file.write(struct.pack("!i", 4 + 4 + len(kept) + 1) + data[:4] + kept + b"\0")

    def __getattr__(self, name):
        return getattr(self.file, name)


class Socket(socket.socket):
    def makefile(self, *args, **kwargs):
        return Startup(super().makefile(*args, **kwargs))


class Sockets:
    socket = Socket

    def __getattr__(self, name):
        return getattr(socket, name)


def status(self, data, _):
    is_version = data.startswith(b"server_version\0")
    plain_status(self, data.rstrip(b"\0").split(b" ")[0] + b"\0" if is_version else data, _)


plain_status, plain_scram = core.Connection.handle_PARAMETER_STATUS, core.ScramClient
core.Connection.handle_PARAMETER_STATUS = status
core.ScramClient = lambda ways, *args, **kwargs: plain_scram([way for way in ways if way], *args, **kwargs)
core.socket = Sockets()


def connect(dsn):
    url = urllib.parse.urlsplit(dsn)
    return redshift_connector.connect(
        host=url.hostname, port=url.port, user=url.username, password=urllib.parse.unquote(url.password), database=url.path[1:], ssl=False)


def binary(value):
    """Bytes, which it gives as text where they are Postgres' own."""
    return bytes.fromhex(value.removeprefix("\\x")) if isinstance(value, str) else bytes(value)
