"""Metrics, synthetic scenes, dataset readers and the experiments of the project's tables."""
