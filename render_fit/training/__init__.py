"""Training of regressors and pose priors: data, losses, loops."""

import warnings

with warnings.catch_warnings():  # accelerate imports it; in notebooks without ipywidgets it would warn
    warnings.filterwarnings("ignore", message="IProgress not found")
    import tqdm.auto  # noqa: F401
