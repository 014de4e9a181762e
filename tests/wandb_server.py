"""A stand-in for W&B's server, as far as an upload needs one; it keeps what it was sent."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

KEY = "a" * 40
"""Of the form that wandb takes a key to have."""


class Server(http.server.ThreadingHTTPServer):
    """What it answers, and what it has been asked."""

    daemon_threads = True

    def __init__(self, *, has_account: bool, refused: tuple[str, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.has_account, self.refused = has_account, refused
        self.runs: list[dict[str, Any]] = []
        """The runs that began, each with its project, entity and config, in order."""
        self.lines: dict[str, list[str]] = {}
        """What was added to a run's files, by run and file."""

    def handle_error(self, *connection: object) -> None:
        """Say nothing of clients that have left."""

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and content."""
        if path == "/graphql":
            asked = json.loads(body)
            return self.queried(asked["query"], asked.get("variables") or {})
        if path.endswith("/file_stream"):
            run = path.split("/")[-2]
            for name, told in json.loads(body).get("files", {}).items():
                self.lines.setdefault(f"{run}/{name}", []).extend(told["content"])
        return 200, {}

    def queried(self, query: str, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What GraphQL gives."""
        if not self.has_account:
            return 401, {"errors": [{"message": "no such key"}]}
        if "viewer {" in query:
            empty: dict[str, Any] = {"edges": []}
            user = {"id": "VXNlcjox", "entity": "ada", "username": "ada", "name": "Ada"}
            more = {"email": "ada@example.org", "flags": "{}", "admin": False, "deletedAt": None}
            return 200, {"data": {"viewer": {**user, **more, "teams": empty, "apiKeys": empty}}}
        if "mutation UpsertBucket" in query:
            if given["name"] in self.refused:
                return 200, {"errors": [{"message": "permission denied"}]}
            self.runs.append(given)
            entity = {"id": "e", "name": given["entity"] or "ada"}
            project = {"id": "p", "name": given["project"], "entity": entity}
            bucket = {"id": "cnVu", "name": given["name"], "project": project}
            bucket |= {"displayName": given["displayName"], "historyLineCount": 0}
            return 200, {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}}
        if "mutation CreateArtifact" in query:
            made = {"id": "QQ", "state": "COMMITTED"}
            artifact = {**made, "artifactSequence": {"latestArtifact": {"id": "QQ"}}}
            return 200, {"data": {"createArtifact": {"artifact": artifact}}}
        if "mutation CreateRunFiles" in query:
            files = [{"name": f, "uploadUrl": f"{self.url}/{f}"} for f in given["files"]]
            made = {"runID": "cnVu", "uploadHeaders": [], "files": files}
            return 200, {"data": {"createRunFiles": made}}
        return 200, {"data": {}}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *told: object) -> None:
        pass

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        status, content = self.server.answer(self.path, body)
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = answer


@contextlib.contextmanager
def served(*, has_account: bool = True, refused: tuple[str, ...] = ()) -> Iterator[Server]:
    """A server on this machine. refused: ids of runs that may not be begun."""
    server = Server(has_account=has_account, refused=refused)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
