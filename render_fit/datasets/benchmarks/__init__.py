"""Ground truth of published data sets, in the formats in which people have them on disk."""
