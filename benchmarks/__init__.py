"""Benchmarks of speed and memory, one program each (``python -m benchmarks.renderer``); all of them: ``make bench``.

docs/performance.md contains their results. ``gate`` compares their ratios with ``baseline.json``.
"""

import render_fit  # noqa: F401  before torch: sets how its idle threads wait, as the command line does
