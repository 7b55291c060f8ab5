"""The page of a training: plots of its log, and predictions at every validation."""
