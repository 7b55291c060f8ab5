"""Results of other systems: read as the start of a fit, and converted to the parameters of another body."""
