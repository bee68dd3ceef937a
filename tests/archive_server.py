"""Archives, and a server of them that misbehaves as it is told."""

import io
import re
import socket
import struct
import tarfile
import threading
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from human_segmentation.download import Archive, download

FILES = {
    "model.yml": b"Model: HumanSegMobile\n",
    "deep/er/__params__": np.random.default_rng(0).bytes(300_000),
    "empty": b"",
}
OTHER_FILES = {name: content[::-1] for name, content in FILES.items()}


def zipped(files, prefix="", method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return data.getvalue()


def tarred(files, prefix="", mode="w", **attributes):
    """A tar; the attributes are set on every member."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            for key, value in attributes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


@dataclass
class Answer:
    """What the server does with one request.

    Attributes:
        status: An error to answer with.
        cut: Bytes of the body after which the connection ends.
        reset: Whether it ends with a reset.
        stall: Whether it then says nothing for long, in place of ending.
        length: Content-Length in place of the true one; "" leaves it out.
        content_range: Content-Range in place of the true one.
        ranges, if_range: Whether these headers of the request are heeded.
        kind: Content-Type.
        chunked: Whether the body is sent in chunks.
    """

    status: int | None = None
    cut: int | None = None
    reset: bool = False
    stall: bool = False
    length: str | None = None
    content_range: str | None = None
    ranges: bool = True
    if_range: bool = True
    kind: str = "application/octet-stream"
    chunked: bool = False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers))
        answer = server.answers.pop(0) if server.answers else Answer()
        self.close_connection = True
        if answer.status:
            self.send_response(answer.status)
            if answer.content_range:
                self.send_header("Content-Range", answer.content_range)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content, start = server.content, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        condition = self.headers["If-Range"]
        if asked and answer.ranges and (not condition or not answer.if_range or condition in server.version.values()):
            start = int(asked[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            end = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", end if answer.content_range is None else answer.content_range)
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Type", answer.kind)
        self.send_header("Connection", "close")
        for name, value in server.version.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.length != "":
            self.send_header("Content-Length", answer.length or str(len(body)))
        self.end_headers()
        body = body[: answer.cut]
        if answer.chunked:
            ending = b"" if answer.cut is not None else b"0\r\n\r\n"
            body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:1000], body[1000:]) if c) + ending
        server.sent.append(len(body))  # before the one who asked can know
        self.wfile.write(body)
        if answer.stall:
            server.stopped.wait(20)
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = zipped(FILES)
        self.version = {"ETag": '"one"'}
        self.answers, self.requests, self.sent = [], [], []
        self.stopped = threading.Event()

    def archive(self, name="data.zip", **known):
        return Archive(f"http://127.0.0.1:{self.server_port}/some/{name}", "do without", **known)

    def headers(self, name):
        return [headers[name] for _, headers in self.requests]


def fetch(server, folder, name="data.zip", known=None, **options):
    return download(server.archive(name, **(known or {})), folder, **{"pause": 0.01, "timeout": 5, **options})
