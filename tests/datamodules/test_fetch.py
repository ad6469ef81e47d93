"""Fetching, from a server of our own."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.fetch import fetch

CONTENT = bytes(range(256)) * 40


class Server(BaseHTTPRequestHandler):
    ranges: list = []  # noqa: RUF012
    cut = False

    def do_GET(self):
        asked = self.headers.get("Range")
        Server.ranges.append(asked)
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if first >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        self.wfile.write(CONTENT[first : 5000 if Server.cut else None])

    def log_message(self, *args):
        pass


@pytest.fixture
def url():
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Server.ranges, Server.cut = [], False
    yield f"http://127.0.0.1:{server.server_port}/file"
    server.shutdown()


def test_fetch_once_and_check(url, tmp_path):
    path = tmp_path / "new" / "file"
    fetch(url, path, hashlib.sha256(CONTENT).hexdigest())
    assert path.read_bytes() == CONTENT
    fetch(url, path, "0" * 64)
    assert Server.ranges == [None]  # it was not fetched again


def test_beginning_of_a_checksum(url, tmp_path):
    fetch(url, tmp_path / "file", hashlib.sha256(CONTENT).hexdigest()[:16])
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_wrong_checksum_leaves_nothing(url, tmp_path):
    with pytest.raises(MisconfigurationException, match="checksum"):
        fetch(url, tmp_path / "file", "0" * 64)
    assert not list(tmp_path.iterdir())


def test_broken_connection_is_gone_on_with(url, tmp_path):
    Server.cut = True
    with pytest.raises(MisconfigurationException, match="fetch it yourself"):
        fetch(url, tmp_path / "file", None)
    assert not (tmp_path / "file").exists()
    Server.cut = False
    fetch(url, tmp_path / "file", hashlib.sha256(CONTENT).hexdigest())
    assert Server.ranges == [None, "bytes=5000-"]


def test_part_that_is_whole(url, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    fetch(url, tmp_path / "file", hashlib.sha256(CONTENT).hexdigest())
    assert (tmp_path / "file").read_bytes() == CONTENT
