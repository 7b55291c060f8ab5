"""What learning is good for, as tables: ``python -m render_fit.runs.experiments NAME --out DIR``."""
