"""Slices of a list: every name in one of them, equally long, whatever the order, and stable when names are added."""

import random

import pytest

from render_fit.core.errors import InputError
from render_fit.core.shards import Shard, array_task, parse_shard, shard_numbers

NAMES = [f"IMG_{number:04d}" for number in range(1000)]


@pytest.mark.parametrize("count", [1, 3, 7, 100, 150])
def test_every_name_is_in_one_slice_and_slices_are_equally_long(count):
    slices = [Shard(number, count).of(NAMES[:100]) for number in range(1, count + 1)]
    assert sorted(name for names in slices for name in names) == NAMES[:100]
    assert {len(names) for names in slices} <= {100 // count, -(-100 // count)}


def test_the_order_of_the_names_does_not_matter():
    shuffled = random.Random(0).sample(NAMES, len(NAMES))
    assert Shard(2, 5).of(shuffled) == Shard(2, 5).of(NAMES)


def test_slices_are_the_same_everywhere_and_in_later_versions():
    # for x in a b c d e f g h; do echo $(printf $x | sha256sum) $x; done | sort
    assert Shard(1, 3).of(list("abcdefgh")) == set("df")
    assert Shard(2, 3).of(list("abcdefgh")) == set("cbe")
    assert Shard(3, 3).of(list("abcdefgh")) == set("hag")


def test_neighbours_are_spread_over_the_slices():
    # 50 pictures of one scene: 12.5 per slice on average, standard deviation 3
    assert min(len(Shard(number, 4).of(NAMES).intersection(NAMES[:50])) for number in range(1, 5)) >= 4


def moved(before, after, count):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    return sum(len(shard.of(before) - shard.of(after)) for shard in shards)


def test_an_added_name_moves_at_most_one_name_over_each_cut():
    for number in range(10):
        assert moved(NAMES, [*NAMES, f"new_{number}"], 8) <= 7


def test_many_added_names_move_few():
    # by position in the list of names seven of eight would move
    assert moved(NAMES, [f"A_{number}" for number in range(500)] + NAMES, 8) < 150


def test_names_that_are_not_utf_8_have_a_slice():
    assert Shard(1, 1).of(["a\udcff", "\ud800"]) == {"a\udcff", "\ud800"}


def array(**values):
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (array(ID=1, MIN=1, MAX=8, STEP=1, COUNT=8), Shard(1, 8)),
        (array(ID=7, MIN=0, MAX=7, STEP=1, COUNT=8), Shard(8, 8)),
        (array(ID=20, MIN=10, MAX=22, STEP=5, COUNT=3), Shard(3, 3)),  # --array=10-22:5
        (array(ID=5, MIN=5, MAX=5, STEP=1, COUNT=1), Shard(1, 1)),
    ],
)
def test_slurm_describes_a_slice(environment, expected):
    assert parse_shard("slurm", environment) == expected


@pytest.mark.parametrize(
    "environment",
    [
        array(ID=3, MIN=3, MAX=5, STEP=1, COUNT=2),  # --array=3,5: some tasks once more
        array(ID=4, MIN=1, MAX=8, STEP=1),
        array(ID=1, MIN=1, MAX=8, STEP=0, COUNT=8),
        array(ID="x", MIN=1, MAX=8, STEP=1, COUNT=8),
    ],
)
def test_an_array_that_is_no_range_is_a_clear_error(environment):
    with pytest.raises(InputError, match=r"not a range.*--shard \$SLURM_ARRAY_TASK_ID/N"):
        parse_shard("slurm", environment)


@pytest.mark.parametrize("text", ["", "3", "3/", "0/8", "9/8", "-1/8", "1/0", "1.0/2", "a/b", "1/2/3", "٣/٨", "Slurm"])
def test_other_words_are_a_clear_error(text):
    with pytest.raises(InputError, match=r"expected I/N with I from 1 to N"):
        parse_shard(text)


def test_only_a_task_of_several_is_told():
    assert array_task({}) == array_task(array(ID=1, COUNT=1)) == ""
    assert array_task(array(ID=12, COUNT=15)) == "task 12 of a Slurm array of 15 tasks"


def test_the_number_of_every_names_slice_agrees_with_the_slices():
    for count in (1, 3, 7, 1000, 1500, 10**9):
        numbers = shard_numbers(NAMES, count)
        assert numbers.keys() == set(NAMES)
        for number in (1, 2, count, numbers["IMG_0500"]):
            assert Shard(number, count).of(NAMES) == {name for name in NAMES if numbers[name] == number}
    assert shard_numbers([], 3) == {}
