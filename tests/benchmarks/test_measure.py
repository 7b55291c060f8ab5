"""Turns, medians and ratios."""

import numpy as np
import pytest

from benchmarks.measure import Spread, quotient, short, spread, take_turns
from benchmarks.report import table


def test_median_and_quartiles():
    # Of 1, 2, 3, 4, 100: the outlier moves neither.
    assert spread([4, 1, 100, 2, 3], "ms") == Spread(3.0, 2.0, 4.0, 5, "ms")
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0, 1, "")
    with pytest.raises(ValueError, match="values: expected at least one"):
        spread([])


def test_a_ratio_is_taken_turn_by_turn():
    # The machine was ten times as slow in the second turn; the ratio of the medians would be 1.
    ours, theirs = [1.0, 20.0, 2.0], [2.0, 40.0, 4.0]
    assert quotient(ours, theirs) == Spread(0.5, 0.5, 0.5, 3, "×")
    with pytest.raises(ValueError, match=r"denominators: expected \(3,\) values"):
        quotient(ours, theirs[:2])


def test_cases_take_turns_and_the_first_turn_does_not_count():
    order = []

    def case(name, seconds):
        def run():
            order.append(name)
            return seconds, 2 * seconds

        return run

    times = take_turns({"a": case("a", 1.0), "b": case("b", 5.0)}, runs=2, warm_up=1)
    assert order == ["a", "b"] * 3
    np.testing.assert_array_equal(times["a"], [[1.0, 2.0]] * 2)
    np.testing.assert_array_equal(times["b"], [[5.0, 10.0]] * 2)


@pytest.mark.parametrize(("value", "text"), [(1234.6, "1235"), (12.345, "12.3"), (0.01234, "0.0123"), (0, "0")])
def test_numbers_are_short(value, text):
    assert short(value) == text


def test_a_table_has_a_row_and_a_column_for_each_name():
    figures = {("one", "time"): Spread(1, 0.5, 2, 3, "ms"), ("two", "time"): Spread(4, 4, 4, 1, "ms")}
    assert table(figures) == [
        "| ms  | time      |",
        "|-----|-----------|",
        "| one | 1 (0.5–2) |",
        "| two | 4         |",
    ]
    figures["two", "share"] = Spread(30, 30, 30, 1, "%")
    assert table(figures)[2:] == ["| one | 1 (0.5–2) ms |       |", "| two | 4 ms         | 30 %  |"]
