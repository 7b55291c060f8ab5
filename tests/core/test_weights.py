"""Files of weights: configurations that belong to no network, or to another one."""

import json
import time

import pytest
import torch
from pydantic import BaseModel
from safetensors.torch import save_file
from torch import nn

from render_fit.core.errors import InputError
from render_fit.core.weights import read_network, save_weights


class Config(BaseModel):
    width: int = 4


def make(config):
    if config.width == 13:
        raise KeyError("thirteen")
    return nn.Linear(config.width, 2)


def read(path):
    return read_network(make, path, "key", Config, "not one of these")


def with_header(path, header):
    save_file(make(Config()).state_dict(), path, {"key": header})
    return path


def test_a_network_is_read_back_and_evaluates(tmp_path):
    network = nn.Linear(4, 2)
    save_weights(network, Config(), tmp_path / "w", "key")
    found = read(tmp_path / "w")
    assert torch.equal(found.weight, network.weight) and not found.training


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ('{"a":' * 5000, "made for another version"),
        ('{"width": 13}', r"describes no network \('thirteen'\)"),
        ('{"width": -1}', "describes no network"),
        ('{"width": 5}', r"do not fit the configuration \(size mismatch for weight"),
        ('{"width": 40}', "describes no network .*more weights than the file"),
        ("[]", "made for another version"),
    ],
)
def test_configurations_of_no_network_or_another_are_refused(tmp_path, header, words):
    with pytest.raises(InputError, match=words):
        read(with_header(tmp_path / "w", header))


def test_a_configuration_of_a_huge_network_takes_neither_memory_nor_time(tmp_path):
    for width in (10**9, 10**12):  # 8 GB, 8 TB
        path, began = with_header(tmp_path / "w", json.dumps({"width": width})), time.process_time()
        with pytest.raises(InputError, match="describes no network"):
            read(path)
        assert time.process_time() - began < 1


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = nn.Linear(4, 2)
    nn.init.constant_(network.bias, float("nan"))
    save_weights(network, Config(), tmp_path / "w", "key")
    with pytest.raises(InputError, match="not finite"):
        read(tmp_path / "w")
