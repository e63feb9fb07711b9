"""Prints the size of every structure that blackspot_ctypes.py describes."""
import ctypes
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import blackspot_ctypes  # noqa: E402

print(json.dumps({name: ctypes.sizeof(structure)
                  for name, structure in blackspot_ctypes.STRUCTURES.items()}))
