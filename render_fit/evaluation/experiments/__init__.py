"""Experiments: each is one command, ``render-fit experiment NAME``."""
