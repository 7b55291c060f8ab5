"""Files that joblib wrote, which is not needed to read them."""

import base64
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest

from render_fit.core.errors import InputError
from render_fit.exchange.containers import read_values

# joblib 1.6.0: joblib.dump({"a.jpg": {"smpl": [{"betas": np.array([0.5, -1.0], np.float32),
#     "m": np.asfortranarray(np.arange(6.0).reshape(2, 3))}], "tid": [1], "name": "x", "scale": np.float32(2.0)}},
#     "a.pkl", compress=3)
WRITTEN = base64.b64decode(
    "eF5lUU1Lw0AQzaaJVlGsWgp+3eslJw8eBCsFDwZzEMGThM2H3ehusuQDzaFQD9YKe3P6e/xL4h+ou0lEwTnszizvzbx5OzHmX1od"
    "YxAmtu75CMbQF0bGOIXbKje9MMcZiO37xKORZ8UF46XLI/+BhiA2HVWepSkub1LMeZjCOxw+V8x2Vng+xZkkmxULxHIcYIWVIGFm"
    "BPMQbP1F5kkaSKpAQ5kHeSnfyfpPJrH63RG8zV7hCvp2S6ATcBznYiGjOmwtB0+sYkqTR5cxzGEm9mqd1TQX02gUszDOXa/Mwwzs"
    "TuHpi4Xc+1TTJh/zy8YFgRiQlVo+WSMbpGPrdmsKZEugcyBd0pNKjn+VkN3/Osj+jByoAUj1/xPtQV18ypkqOk2tNXd3ML9u4AUW"
    "rTwK5A/YCAsjxkxajZ6UZz5Wtveq7SzXT9LQYgXNo9pWsaQAWH0C2Rkast0AptK1IrO+AcF1rvU="
)


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_between_the_pickles_operations(tmp_path: Path, compressed: bool):
    path = tmp_path / "a.pkl"
    path.write_bytes(WRITTEN if compressed else zlib.decompress(WRITTEN))
    frame = read_values(path)["a.jpg"]
    assert frame["tid"] == [1] and frame["name"] == "x" and frame["scale"] == 2.0
    np.testing.assert_array_equal(frame["smpl"][0]["betas"], np.array([0.5, -1.0], np.float32))
    np.testing.assert_array_equal(frame["smpl"][0]["m"], np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("length", [40, 150, 300])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, length: int):
    path = tmp_path / "a.pkl"
    path.write_bytes(zlib.decompress(WRITTEN)[:length])
    with pytest.raises(InputError, match=r"a\.pkl"):
        read_values(path)


class Harmful:
    """What a pickle could run."""

    def __reduce__(self):
        return (print, ("run",))


def test_nothing_is_executed(tmp_path: Path, capsys):
    path = tmp_path / "a.pkl"
    path.write_bytes(zlib.compress(pickle.dumps({"smpl": Harmful()})))
    with pytest.raises(InputError, match=r"contains builtins\.print, and only arrays"):
        read_values(path)
    assert capsys.readouterr().out == ""
