"""Predictions against the ground truth of a published data set: ``render-fit evaluate``."""
