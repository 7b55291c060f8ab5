"""A viewer of fits in the browser, drawn by viser: docs/viewer.md."""
