"""Data, objectives and loops that train what learns."""
