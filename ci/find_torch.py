"""Prints the version and the folder of this Python's torch, without importing it; exits 1 where it has none."""

import importlib.metadata
import importlib.util
import os
import sys

try:
    spec = importlib.util.find_spec("torch")
    version = importlib.metadata.version("torch").split("+")[0]
except (ImportError, ValueError):
    sys.exit(1)
if spec is None or spec.origin is None:
    sys.exit(1)
print(version, os.path.dirname(spec.origin))
