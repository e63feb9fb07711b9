#!/usr/bin/env python3
"""Writes tests/reference/minibatch.json: what scikit-learn's MiniBatchKMeans.partial_fit makes of
given centres, call after call. The rows are float32, scikit-learn is given the same values as
float64. No centre is reassigned at random (reassignment_ratio 0), as in blackspot.

    VENV/bin/python tests/reference/make_minibatch_reference.py      (numpy, scikit-learn)

The C test loads it (tests/test_minibatch.c); run this only to add a case."""
import json
import os
import platform

import numpy
import sklearn
from sklearn.cluster import MiniBatchKMeans

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "minibatch.json")


def blobs(rng, rows, columns, spread=2.0):
    middle = rng.uniform(-10, 10, (5, columns))
    x = middle[rng.integers(5, size=rows)] + rng.normal(0, spread, (rows, columns))
    return numpy.round(x, 2).astype(numpy.float32)


def start_of(rng, x, k):
    """Different rows, each moved a little, so that no row is equally far from two centres."""
    return numpy.round(x[rng.choice(len(x), k, replace=False)] + rng.normal(0, 0.1, (k, x.shape[1])),
                       4).astype(float)


def cases():
    rng = numpy.random.default_rng(1)
    x = blobs(rng, 90, 3)
    yield "three calls", start_of(rng, x, 4), [(x[:30], None), (x[30:60], None), (x[60:], None)]
    yield "one call", start_of(rng, x, 5), [(x, None)]
    weights = rng.integers(0, 5, 90).astype(float)
    yield "whole weights, zero among them", start_of(rng, x, 4), \
        [(x[:45], weights[:45]), (x[45:], weights[45:])]
    weights = numpy.round(rng.exponential(2.0, 90), 3)
    yield "real weights", start_of(rng, x, 3), [(x[:50], weights[:50]), (x[50:], weights[50:])]
    start = start_of(rng, x, 4)
    start[2] = [400.0, -300.0, 200.0]
    yield "a centre that no row is near", start, [(x[:30], None), (x[30:], None)]
    x = blobs(rng, 40, 2) + numpy.float32(4096)
    yield "far from zero", start_of(rng, x, 3), [(x[:20], None), (x[20:], None)]
    x = blobs(rng, 60, 1)
    yield "single rows", start_of(rng, x, 2), [(x[:4], None)] + [(x[i:i + 1], None) for i in range(4, 12)]


def floats(values):
    return [float(v) for v in numpy.asarray(values).ravel()]


def run(name, start, calls):
    model = MiniBatchKMeans(n_clusters=len(start), init=start, n_init=1, reassignment_ratio=0.0)
    steps = []
    for rows, weights in calls:
        model.partial_fit(rows.astype(float), sample_weight=weights)
        steps.append({"rows": floats(rows), "weights": None if weights is None else floats(weights),
                      "centres": floats(model.cluster_centers_), "counts": floats(model._counts),
                      "inertia": float(model.inertia_)})
    return {"name": name, "k": len(start), "columns": start.shape[1], "start": floats(start),
            "steps": steps}


with open(FILE, "w", encoding="utf-8") as file:
    json.dump({"made_by": f"scikit-learn {sklearn.__version__}, numpy {numpy.__version__}, "
                          f"Python {platform.python_version()}",
               "cases": [run(*case) for case in cases()]}, file, separators=(",", ":"))
    file.write("\n")
