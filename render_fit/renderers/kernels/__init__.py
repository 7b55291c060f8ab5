"""Kernels of the ``cpu`` renderer, compiled by numba: functions of arrays, without torch.

Shared conventions: ``xy`` (B, V, 2) pixels and ``z`` (B, V) metres, float64; ``faces`` (F, 3) int32; pixel
(row i, column j) has its centre at (j + 0.5, i + 0.5). Work is split into pieces whose number does not depend
on the number of threads, and partial sums are added in a fixed order, so results are bit-identical for any
number of threads.
"""
