"""Writes blobs and k rows of them as starting centres, always the same for the same arguments.

    blobs.py ROWS COLUMNS K SEED rows.npy start.npy"""
import sys

import numpy

rows, columns, k, seed = (int(text) for text in sys.argv[1:5])
rng = numpy.random.default_rng(seed)
centres = rng.uniform(-10, 10, (k, columns))
x = rng.normal(0, 1, (rows, columns)).astype(numpy.float32)
x += centres.astype(numpy.float32)[rng.integers(k, size=rows)]
numpy.save(sys.argv[5], x)
numpy.save(sys.argv[6], x[rng.choice(rows, k, replace=False)].astype(numpy.float64))
