"""Benchmarks of speed and memory, one program each (``python -m benchmarks.renderer``); all of them: ``make bench``.

docs/performance.md contains their results. ``gate`` compares their ratios with ``baseline.json``.
"""
