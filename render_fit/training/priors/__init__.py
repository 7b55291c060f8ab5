"""Training of pose priors: an autoencoder (VPoser) and HMR's discriminators."""
