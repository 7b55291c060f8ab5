import os

from render_fit.core.fingerprints import content_hash, file_identity


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
