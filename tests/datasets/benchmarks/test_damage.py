"""Damaged files: whatever is wrong is an InputError, or is not noticed; never another error."""

import random

import pytest

from render_fit.core.errors import InputError
from render_fit.datasets.benchmarks.human_data import read_human_data
from render_fit.datasets.benchmarks.spin import read_spin
from render_fit.datasets.benchmarks.threedpw import read_3dpw
from tests.datasets.benchmarks import test_human_data, test_sequences, test_spin

ROUNDS = 40


def written(kind, folder):
    if kind == "3dpw":
        test_sequences.write_3dpw(folder)
        return folder / "sequenceFiles/test/downtown_walk_00.pkl", read_3dpw
    if kind == "spin":
        return test_spin.write(folder / "a.npz"), read_spin
    return test_human_data.write(folder / "a.npz"), read_human_data


@pytest.mark.parametrize("kind", ["spin", "human-data", "3dpw"])
def test_damage_is_told_in_one_line(kind, tmp_path):
    path, read = written(kind, tmp_path)
    content, chance, told = path.read_bytes(), random.Random(0), 0
    for number in range(ROUNDS):
        damaged = bytearray(content[: chance.randrange(len(content))] if number % 3 == 0 else content)
        for _ in range(chance.randint(1, 5)):
            if damaged:
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except InputError as error:
            told += 1
            assert "\n" not in str(error) and path.name in str(error)
    assert told > ROUNDS / 2
