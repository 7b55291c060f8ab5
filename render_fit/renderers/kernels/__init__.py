"""Kernels of the ``cpu`` renderer, compiled by numba: functions of arrays, without torch.

Pixel (row i, column j) has its centre at (j + 0.5, i + 0.5). Work is split into pieces whose number does not depend
on the number of threads, and partial sums are added in a fixed order, so results are bit-identical for any number of
threads.

Arguments that many kernels share, for B images, V vertices and F faces; where docstrings do not say otherwise:

- ``xy``: (B, V, 2) float64 projected vertices, pixels. ``z``: (B, V) float64 their depths, metres.
- ``faces``: (F, 3) int32 vertex indices. ``face_parts``: (F,) int64 part of each face.
- ``height``, ``width``: size of the image, pixels. ``sigma``: σ of a sigmoid, pixels. ``radius``: distance from a
  line or a face beyond which it has no effect on a pixel, pixels.
- ``orientation``: (B, F) int8 of ``orient``. ``face_index``: (B, H, W) int32 faces of ``hard_pass``, −1: none.
- ``edges``, ``edge_faces``, ``crowded``: of ``Topology``.
- ``start``, ``offset``, ``members``: begins of the cells' lists, begins of the images' members, and the faces in the
  lists, of ``bin_soft_faces`` with the same radius.
- ``records``: (B, F, RECORD) of ``triangle_records``. ``in_reach``: (B, cells) int32 of ``softras_forward``.
- ``piece``, ``place``, ``count``: (B, N, 4), (B, N, 6) and (B,) of ``trace_outline``.
- ``alpha``: (B, H, W) silhouette, or another sigmoid of ``contour_forward``. ``nearest``: (B, H, W) int32 nearest
  pieces of ``contour_forward``.
"""
