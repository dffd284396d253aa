"""A Hugging Face Hub of one folder: lists a repository, serves its files and ranges of them, and counts the bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "c0ffee" + "0" * 34


class Hub:
    """What is served, and what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.sent: Counter[str] = Counter()
        self.ranges = True

    def files(self) -> list[str]:
        return sorted(
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()
        )


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """Serve a folder as the repository ``owner/name``."""
    hub = Hub(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            if re.fullmatch(r"/api/models/owner/name(/revision/[^/]+)?", path):
                names = [{"rfilename": name} for name in hub.files()]
                self.send(
                    json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": names}).encode(), {}, body
                )
                return
            match = re.fullmatch(r"/owner/name/resolve/[^/]+/(.*)", path)
            file = folder / match[1] if match else folder
            if not file.is_file():
                self.send(
                    b"{}", {"X-Error-Code": "RepoNotFound" if match is None else "EntryNotFound"}, body, 404
                )
                return
            data = file.read_bytes()
            headers = {
                "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                "X-Repo-Commit": COMMIT,
                "Accept-Ranges": "bytes",
            }
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            status = 200
            if wanted and hub.ranges:
                start, stop = int(wanted[1]), int(wanted[2] or len(data) - 1) + 1
                headers["Content-Range"] = f"bytes {start}-{min(stop, len(data)) - 1}/{len(data)}"
                data, status = data[start:stop], 206
            hub.sent[match[1]] += len(data) if body else 0
            self.send(data, headers, body, status)

        def send(self, data: bytes, headers: dict[str, str], body: bool, status: int = 200) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
