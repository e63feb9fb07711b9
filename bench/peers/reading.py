"""A process that reads CSV files with polars or pandas when asked: its second reading is warm.

    reading.py polars|pandas

One request a line on standard input, {"path": ..., "columns": [...] or null}; one answer a line:
seconds until the table is there, and until it is a float32 matrix (null when it holds text)."""
import json
import sys
import time

import numpy

LIBRARY = sys.argv[1]
if LIBRARY == "polars":
    import polars

    def read(path, columns):
        return polars.read_csv(path, columns=columns)

    def matrix(table):
        if any(kind == polars.String for kind in table.dtypes):
            return None
        return numpy.ascontiguousarray(table.cast(polars.Float32).to_numpy())
else:
    import pandas

    def read(path, columns):
        return pandas.read_csv(path, usecols=columns, low_memory=False)

    def matrix(table):
        if any(kind.kind not in "iuf" for kind in table.dtypes):
            return None
        return numpy.ascontiguousarray(table.to_numpy(dtype=numpy.float32))

for line in sys.stdin:
    request = json.loads(line)
    begin = time.perf_counter()
    table = read(request["path"], request["columns"])
    there = time.perf_counter()
    values = matrix(table)
    done = time.perf_counter()
    print(json.dumps({"rows": len(table), "columns": table.shape[1],
                      "seconds": there - begin,
                      "matrix_seconds": None if values is None else done - begin}), flush=True)
    del table, values
