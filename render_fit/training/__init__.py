"""Training of regressors and pose priors: data, losses, loops."""
