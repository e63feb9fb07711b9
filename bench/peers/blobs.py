"""Writes blobs and k rows of them as starting centres, always the same for the same arguments.

    blobs.py ROWS COLUMNS BLOBS SEED rows.npy start.npy [K, else as many as blobs]"""
import sys

import numpy

rows, columns, blobs, seed = (int(text) for text in sys.argv[1:5])
k = int(sys.argv[7]) if len(sys.argv) > 7 else blobs
rng = numpy.random.default_rng(seed)
centres = rng.uniform(-10, 10, (blobs, columns))
x = rng.normal(0, 1, (rows, columns)).astype(numpy.float32)
x += centres.astype(numpy.float32)[rng.integers(blobs, size=rows)]
numpy.save(sys.argv[5], x)
numpy.save(sys.argv[6], x[rng.choice(rows, k, replace=False)].astype(numpy.float64))
