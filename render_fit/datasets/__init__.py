"""Readers of recorded data: annotated photos, motion capture, and a user's folder of photos."""
