"""The project's tables: each experiment is one command, ``python -m render_fit.evaluation.experiments NAME``."""
