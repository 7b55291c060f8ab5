"""Folders of models: on this machine, and from a hub that runs in the test."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from render_fit.core.errors import InputError
from render_fit.core.hub_files import is_hub_id, model_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = {"config.json": b"{}", "model.safetensors": b"weights", "pytorch_model.bin": b"pickle", "run.py": b"code"}


def test_a_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone" / "model").mkdir(parents=True)
    assert model_folder("someone/model", "parser", ["config.json"]) == Path("someone/model")
    assert model_folder(tmp_path, "parser", ["config.json"]) == tmp_path


def test_what_is_neither_a_folder_nor_a_name_is_one_line(tmp_path: Path) -> None:
    for name in ("model", "a/b/c", "/nowhere/model", "a /b", str(tmp_path / "gone")):
        assert not is_hub_id(name)
        with pytest.raises(InputError, match=r"^parser '.*': no such folder, nor the name of a model on the hub"):
            model_folder(name, "parser", ["config.json"])


class _Hub(BaseHTTPRequestHandler):
    """A hub with one repository."""

    requested: list[str] = []  # noqa: RUF012

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/someone/model/tree"):
            files = [{"type": "file", "path": name, "size": len(data), "oid": name} for name, data in CONTENT.items()]
            self._answer(200, json.dumps(files).encode(), Content_Type="application/json")
        elif path.startswith("/api/models/someone/model"):
            siblings = [{"rfilename": name} for name in CONTENT]
            data = {"id": "someone/model", "_id": "1", "sha": COMMIT, "siblings": siblings}
            self._answer(200, json.dumps(data).encode(), Content_Type="application/json")
        elif path.startswith("/someone/model/resolve/"):
            name = path.rpartition("/")[2]
            self.requested.append(name)
            self._answer(200, CONTENT[name], ETag=f'"{name}"', X_Repo_Commit=COMMIT)
        else:
            self._answer(404, X_Error_Code="RepoNotFound")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


CODE = """
from render_fit.core.errors import InputError
from render_fit.core.hub_files import model_folder
for name in ('someone/model', 'someone/unknown'):
    try:
        folder = model_folder(name, 'parser', ['config.json', 'model*.safetensors'])
        print(sorted(path.name for path in folder.iterdir()))
    except InputError as error: print(error)
"""


def test_only_the_files_that_are_needed_are_fetched(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        environment = {
            **os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
            "HF_HUB_CACHE": str(tmp_path), "HF_HUB_DISABLE_XET": "1",
        }  # fmt: skip
        told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, check=True)
        hub.shutdown()
    fetched, unknown = told.stdout.splitlines()
    assert fetched == "['config.json', 'model.safetensors']"
    assert set(_Hub.requested) == {"config.json", "model.safetensors"}
    assert unknown.startswith(
        "parser 'someone/unknown': no such folder, and no such repository on the Hugging Face hub"
    )
    # what was fetched is there without the hub
    environment["HF_HUB_OFFLINE"] = "1"
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, check=True)
    assert told.stdout.splitlines()[0] == fetched
