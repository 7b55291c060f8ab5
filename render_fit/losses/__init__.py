"""dist: terms that compare M with z(I), and priors."""
