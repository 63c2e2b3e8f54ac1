"""Comparisons with other implementations, which only `make test-peers` runs."""

import os
import tempfile

# Keras reads the first at its import, and writes a file of settings into the second.
os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("KERAS_HOME", tempfile.gettempdir())
