"""Prints where blackspot_ctypes.py has every field of its structures, and their sizes ("")."""
import ctypes
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import blackspot_ctypes  # noqa: E402

print(json.dumps({name: {"": ctypes.sizeof(structure),
                         **{field[0]: getattr(structure, field[0]).offset
                            for field in structure._fields_}}
                  for name, structure in blackspot_ctypes.STRUCTURES.items()}))
