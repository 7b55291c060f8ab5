import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from render_fit.core.fingerprints import content_hash, file_identity, folder_hash, value_hash


def test_a_file_with_the_time_and_size_of_another_is_told_from_it(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    os.utime(path, ns=(10**18, 10**18))
    before, hashed = file_identity(path), content_hash(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(10**18, 10**18))  # as `cp -p` does, or a clock that was set back
    assert file_identity(path) != before
    assert content_hash(path) != hashed


def test_a_copy_has_the_same_content(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"one")
    assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b") != ""
    assert file_identity(tmp_path / "a") != file_identity(tmp_path / "b")


def test_a_file_that_is_not_there_has_none(tmp_path):
    assert (file_identity(tmp_path / "gone"), content_hash(tmp_path / "gone")) == ((), "")
    assert file_identity("a\0b") == ()


@dataclass(frozen=True)
class Holder:
    name: str
    values: torch.Tensor


def test_a_value_has_the_same_hash_in_every_process(tmp_path):
    """Tensors are pickled with addresses in memory, sets and dictionaries in any order: pickles would differ."""
    value = {"b": Holder("x", torch.arange(6.0).view(2, 3)), "a": (frozenset("abcdef"), None, 1.5, True, tmp_path)}
    code = (
        "import sys, torch\nfrom pathlib import Path\nfrom tests.core.test_fingerprints import Holder\n"
        "from render_fit.core.fingerprints import value_hash\n"
        "print(value_hash({'a': (frozenset('fedcba'), None, 1.5, True, Path(sys.argv[1])),"
        " 'b': Holder('x', torch.arange(6.0).view(2, 3))}))"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, env=environment
    )
    assert other.stdout.strip() == value_hash(value)


def test_values_that_differ_have_other_hashes(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"one")
    values = [
        *(1, 1.0, "1", b"1", True, None, [], [None], [[1], 2], [[1, 2]], ["ab", "c"], ["a", "bc"], {}, {"a": 1}),
        *(torch.zeros(2, 3), torch.zeros(3, 2), torch.zeros(2, 3).int(), np.zeros(1, np.float32), a, b, str(a)),
        *(Holder("x", torch.zeros(1)), Holder("x", torch.ones(1)), Holder("y", torch.ones(1))),
    ]
    assert len(set(map(value_hash, values))) == len(values)
    before = value_hash(a)
    a.write_bytes(b"two")
    assert value_hash(a) != before


@pytest.mark.parametrize("value", [object(), [lambda: 0], np.array([object()])])
def test_a_value_whose_content_is_not_known_is_refused(value):
    with pytest.raises(TypeError, match="whose content is known"):
        value_hash(value)


def test_a_folder_is_its_files_and_their_names(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "inner" / "__pycache__").mkdir(parents=True)
        (tmp_path / folder / "inner" / "a.py").write_text("a")
        (tmp_path / folder / "inner" / "__pycache__" / "a.pyc").write_text(folder)
    before = folder_hash(tmp_path / "one")
    assert folder_hash(tmp_path / "two") == before
    (tmp_path / "two" / "inner" / "a.py").rename(tmp_path / "two" / "inner" / "b.py")
    assert folder_hash(tmp_path / "two") != before
