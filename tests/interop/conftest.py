"""These need packages that exclude some of ours: they are collected where those are, by `make interop`."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("onnxruntime") else ["test_*.py"]
