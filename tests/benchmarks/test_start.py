"""Seconds of a command, and of the fit in it."""

import pytest

from benchmarks.start import command


def test_seconds_of_a_process_and_of_the_fit_that_it_reports(tmp_path):
    report = tmp_path / "report.json"
    program = f"import time; time.sleep(0.2); open({str(report)!r}, 'w').write('{{\"seconds\": {{\"total\": 0.1}}}}')"
    assert command(["-c", "pass"])()[1] == 0
    seconds, fit = command(["-c", program], report)()
    assert seconds > 0.2 and fit == 0.1


def test_a_process_that_writes_no_report_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="no such thing"):
        command(["-c", "raise SystemExit('no such thing')"], tmp_path / "report.json")()
