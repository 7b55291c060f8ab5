"""Speed and memory, each a program: ``python -m benchmarks.renderer``; all of them: ``make bench``.

docs/performance.md holds what they print. ``gate`` compares their ratios with ``baseline.json``.
"""
