"""Regressors saved for the Hugging Face hub and loaded from it, without a network."""

import copy
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from render_fit.core.errors import InputError
from render_fit.regressors.checkpoint import load_regressor
from render_fit.regressors.names import is_hub_id
from render_fit.regressors.network import Regressor
from tests.regressors.test_network import SMALL, random_inputs


def test_a_folder_saved_for_the_hub_gives_back_the_same_network(tmp_path: Path) -> None:
    regressor, inputs = Regressor(SMALL).eval(), random_inputs(2)
    regressor.save_pretrained(tmp_path / "mine")
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert json.loads((tmp_path / "mine" / "config.json").read_text()) == SMALL.model_dump(mode="json")
    assert "library_name: render-fit" in (tmp_path / "mine" / "README.md").read_text()
    with safe_open(tmp_path / "mine" / "model.safetensors", framework="pt") as file:
        assert file.metadata()["render_fit_regressor"] == SMALL.model_dump_json()
    expected = regressor(inputs).rotations
    (tmp_path / "mine" / "config.json").write_text('{"hypotheses": 9}')  # for people; what counts is the header
    for back in (Regressor.from_pretrained(tmp_path / "mine"), load_regressor(str(tmp_path / "mine"))):
        assert back.config == SMALL
        assert not back.training
        assert torch.equal(back(inputs).rotations, expected)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    Regressor(SMALL).save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut off"):
        Regressor.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"a folder without model\.safetensors"):
        load_regressor(tmp_path)


def test_a_copy_is_independent() -> None:
    regressor = Regressor(SMALL)
    copied = copy.deepcopy(regressor)
    with torch.no_grad():
        copied.head.bias += 1
    assert copied.config == SMALL
    assert not torch.equal(copied.head.bias, regressor.head.bias)


def test_names_on_the_hub_and_paths_are_distinguished() -> None:
    for name in ("someone/lifter", "some-one/lifter_2.1"):
        assert is_hub_id(name)
    for name in ("lifter", "../lifter", "./lifter", "/tmp/lifter", "a/b/c", "training/regressor.safetensors", "a /b"):
        assert not is_hub_id(name)


def test_offline_downloaded_repositories_load_and_others_give_one_clear_line(tmp_path: Path) -> None:
    kept = tmp_path / "hub" / "models--someone--known"  # as the hub's own client lays out its cache
    Regressor(SMALL).save_pretrained(kept / "snapshots" / "0123")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0123")
    code = (
        "from render_fit.core.errors import InputError; from render_fit.regressors.checkpoint import load_regressor\n"
        "print(load_regressor('someone/known').config.model_dump_json())\n"
        "try: load_regressor('someone/unknown')\n"
        "except InputError as error: print(error)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    config, missing = told.stdout.splitlines()
    assert config == SMALL.model_dump_json()
    assert missing.startswith(
        "regressor 'someone/unknown': no such file, and not yet fetched from the Hugging Face hub"
    )
    assert missing.endswith("(HF_HUB_OFFLINE is set); fetch it once online, or give a file")


class _Hub(BaseHTTPRequestHandler):
    """A hub with one repository, in which there are no weights."""

    def do_HEAD(self) -> None:
        known = self.path.startswith("/someone/empty/")
        self.send_response(404)
        self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_repositories_that_do_not_exist_give_one_clear_line(tmp_path: Path) -> None:
    code = (
        "from render_fit.core.errors import InputError; from render_fit.regressors.checkpoint import load_regressor\n"
        "for name in ('someone/unknown', 'someone/empty'):\n"
        "    try: load_regressor(name)\n"
        "    except InputError as error: print(error)"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{hub.server_port}"
        environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": address, "HF_HUB_CACHE": str(tmp_path)}
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        hub.shutdown()
    unknown, empty = told.stdout.splitlines()
    assert unknown.startswith("regressor 'someone/unknown': no such file, and no such repository")
    assert empty == "regressor 'someone/empty': its repository on the Hugging Face hub has no model.safetensors"
