"""The restricted unpickler: supported objects; hostile files execute nothing."""

import collections
import io
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from render_fit.core.safe_pickle import PickleFileError, as_array, read_pickle


def read(data: bytes) -> dict:
    return read_pickle(io.BytesIO(data), Path("model.pkl"))


@pytest.fixture()
def chumpy(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module with chumpy's names, present while writing only."""
    package, ch, reordering = (types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering"))

    class Ch:
        def __init__(self, **state: object) -> None:
            self.__dict__.update(state)

    class Select(Ch):
        pass

    Ch.__module__, Select.__module__ = "chumpy.ch", "chumpy.reordering"
    Ch.__qualname__, Select.__qualname__ = "Ch", "Select"
    package.ch, package.reordering, ch.Ch, reordering.Select = ch, reordering, Ch, Select  # type: ignore[attr-defined]
    for module in (package, ch, reordering):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return package


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_arrays_and_sparse_matrices_are_read(protocol: int) -> None:
    dense = np.arange(6, dtype=np.float64).reshape(2, 3)
    content = {
        "a": dense,
        "fortran": np.asfortranarray(dense),
        "csc": scipy.sparse.csc_matrix(dense),
        "csr": scipy.sparse.csr_matrix(dense),
        "coo": scipy.sparse.coo_matrix(dense),
        "number": np.float64(2.5),
        "text": "lrotmin",
    }
    back = read(pickle.dumps(content, protocol=protocol))
    for key in ("a", "fortran", "csc", "csr", "coo"):
        np.testing.assert_array_equal(as_array(back[key], key), dense)
    assert as_array(back["number"], "number") == 2.5


@pytest.mark.parametrize("protocol", [0, 2])
def test_chumpy_objects_give_their_array_without_chumpy(
    protocol: int, chumpy: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.arange(12.0).reshape(3, 4)
    inner = chumpy.ch.Ch(x=array, _dirty_vars=set(), _itr=None)
    chosen = chumpy.reordering.Select(a=inner, idxs=np.array([0, 5, 6]), preferred_shape=(3,))
    data = pickle.dumps({"shapedirs": inner, "v": chosen}, protocol=protocol)
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        monkeypatch.delitem(sys.modules, name)
    back = read(data)
    assert "chumpy" not in sys.modules
    np.testing.assert_array_equal(as_array(back["shapedirs"], "shapedirs"), array)
    np.testing.assert_array_equal(as_array(back["v"], "v"), [0.0, 5.0, 6.0])


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_forms_that_scripts_leave_are_read(protocol: int) -> None:
    """``OrderedDict``, ``.todense()``'s matrix, sparse arrays: what people save after they cleaned an official file."""
    dense = np.arange(6, dtype=np.float64).reshape(2, 3)
    content = collections.OrderedDict(
        a=np.asmatrix(dense), b=scipy.sparse.csr_array(dense), c=scipy.sparse.coo_array(dense), d=dense[::-1, ::-1]
    )
    back = read(pickle.dumps(content, protocol=protocol))
    for key in "abc":
        np.testing.assert_array_equal(as_array(back[key], key), dense)
    np.testing.assert_array_equal(as_array(back["d"], "d"), dense[::-1, ::-1])


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def hostile(path: Path) -> dict[str, bytes]:
    import builtins
    import os

    command = f"touch {path}"
    return {
        "posix.system": pickle.dumps({"v_template": Calls(os.system, command)}),
        "builtins.eval": pickle.dumps({"v": Calls(builtins.eval, f"open({str(path)!r}, 'w')")}),
        "builtins.getattr": pickle.dumps({"v": Calls(getattr, np.zeros(3), "tofile")}),
        "numpy.load": pickle.dumps({"v": Calls(np.load, str(path), None, True)}),
        "numpy.memmap": b"cnumpy\nmemmap\n(S'" + str(path).encode() + b"'\nS'uint8'\nS'w+'\nI0\n(I1\nttR.",
        "os.system": b"cos\nsystem\n(S'" + command.encode() + b"'\ntR.",
        "numpy.core.multiarray._reconstruct.__class__": b"\x80\x04\x8c\x15numpy.core.multiarray\x8c\x16"
        b"_reconstruct.__class__\x93.",
    }


@pytest.mark.parametrize(
    "name",
    ["posix.system", "builtins.eval", "builtins.getattr", "numpy.load", "numpy.memmap", "os.system",
     "numpy.core.multiarray._reconstruct.__class__"],
)  # fmt: skip
def test_hostile_pickles_execute_nothing(name: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    with pytest.raises(PickleFileError, match="only arrays"):
        read(hostile(mark)[name])
    assert not mark.exists()


def test_the_error_names_the_file_and_a_remedy() -> None:
    with pytest.raises(PickleFileError) as error:
        read(b"cos\nsystem\n(S'true'\ntR.")
    message = str(error.value)
    assert "model.pkl" in message and "os.system" in message and "numpy.savez" in message


@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps({"a": 1})[:-3], pickle.dumps([1, 2])])
def test_a_pickle_that_holds_no_dictionary_is_an_error(data: bytes) -> None:
    with pytest.raises(PickleFileError, match=r"model\.pkl"):
        read(data)


def test_arrays_of_objects_are_an_error() -> None:
    back = read(pickle.dumps({"v": np.array([{}, "x"], dtype=object)}))
    with pytest.raises(PickleFileError, match="not an array of numbers"):
        as_array(back["v"], "model.pkl: v")


@pytest.mark.parametrize("kind", ["csc", "csr", "coo"])
@pytest.mark.parametrize("wrong", [10**6, -5])
def test_sparse_matrices_whose_indices_point_elsewhere_are_refused(kind: str, wrong: int) -> None:
    # scipy writes to where the indices point, whatever is there
    matrix = getattr(scipy.sparse, f"{kind}_matrix")(np.eye(3))
    if kind == "coo":
        matrix.coords[0][:] = wrong
    else:
        matrix.indices[:] = wrong
    with pytest.raises(PickleFileError, match="m: J_regressor is damaged"):
        as_array(read(pickle.dumps({"a": matrix}))["a"], "m: J_regressor")


@pytest.mark.parametrize(
    "state", [{"data": np.ones(3)}, {"data": None, "indices": "x", "indptr": 3, "_shape": (2, 2)}, {}]
)
def test_sparse_matrices_that_lack_a_part_are_refused(state: dict) -> None:
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    matrix.__dict__.clear()
    matrix.__dict__.update(state)
    with pytest.raises(PickleFileError, match="m: f is damaged"):
        as_array(read(pickle.dumps({"a": matrix}))["a"], "m: f")


def test_a_small_pickle_of_a_huge_matrix_is_refused() -> None:
    with pytest.raises(PickleFileError, match="of shape"):
        as_array(read(pickle.dumps({"a": scipy.sparse.coo_matrix((10**6, 10**6))}))["a"], "m: f")


def test_lists_of_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(PickleFileError, match="m: f is damaged"):
        as_array([[1, 2], [3]], "m: f")
