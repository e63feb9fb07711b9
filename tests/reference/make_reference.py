#!/usr/bin/env python3
"""Writes the stored reference values in tests/reference/kmeans/: small clustering problems and what
scikit-learn made of them. The rows are float32, scikit-learn is given the same values as float64.

    VENV/bin/python tests/reference/make_reference.py      (numpy, scikit-learn)

The C test loads them (tests/test_kmeans_reference.c); run this only to add a case."""
import json
import os
import platform

import numpy
import sklearn
from sklearn.cluster import KMeans

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kmeans")


def blobs(seed, rows, columns, centres, spread):
    rng = numpy.random.default_rng(seed)
    middle = rng.uniform(-10, 10, (centres, columns))
    x = middle[rng.integers(centres, size=rows)] + rng.normal(0, spread, (rows, columns))
    return x.astype(numpy.float32)


def off_lattice(seed, x, k):
    """Different rows, each moved a little, so that no row is equally far from two centres."""
    rng = numpy.random.default_rng(seed)
    return x[rng.choice(len(x), k, replace=False)] + rng.normal(0, 0.01, (k, x.shape[1]))


def cases():
    x = blobs(1, 300, 3, 4, 4.0)
    yield "plain", x, off_lattice(1, x, 4), {}, "stable labels"

    x = blobs(2, 300, 2, 3, 6.0)
    yield "many_iterations", x, off_lattice(5, x, 8), {}, "overlapping groups, 8 clusters"

    x = blobs(3, 400, 4, 5, 5.0)
    yield "tol", x, off_lattice(3, x, 5), {"tol": 1e-2}, \
        "stops by tol; labels and inertia belong to the final centres"
    yield "max_iter", x, off_lattice(3, x, 5), {"max_iter": 3}, "stops before it converges"
    yield "one_iteration", x, off_lattice(3, x, 5), {"max_iter": 1}, "one update, new labels"

    rng = numpy.random.default_rng(4)
    x = blobs(4, 250, 3, 4, 4.0)
    yield "weights", x, off_lattice(4, x, 4), {"weights": rng.integers(0, 6, 250).astype(float)}, \
        "whole weights, zero among them"
    yield "real_weights", x, off_lattice(4, x, 4), {"weights": rng.exponential(2.0, 250)}, \
        "real weights"
    yield "weights_tol", x, off_lattice(4, x, 4), \
        {"weights": rng.exponential(2.0, 250), "tol": 3e-2}, \
        "tol is relative to the variance, which knows no weights"

    x = blobs(5, 200, 2, 3, 2.0)
    start = off_lattice(5, x, 4)
    start[2] = [500.0, -300.0]
    yield "one_empty", x, start, {}, "cluster 2 is empty at first and takes the farthest row"
    yield "one_empty_weights", x, start, {"weights": rng.integers(1, 5, 200).astype(float)}, \
        "an empty cluster takes a row with its weight"
    yield "one_empty_first_step", x, start, {"max_iter": 1}, \
        "the centre of the empty cluster is the farthest row, its old cluster lost it"
    start = start.copy()
    start[0] = [-900.0, 700.0]
    yield "two_empty", x, start, {}, "two empty clusters"

    grid = numpy.stack(numpy.meshgrid(numpy.arange(9), numpy.arange(9)), -1).reshape(-1, 2)
    grid = grid.astype(numpy.float32)
    yield "lattice", grid, numpy.array([[1.0, 4.0], [7.0, 4.0], [5.0, 4.0]]), {"max_iter": 1}, \
        "rows equally far from two centres go to the lower index"

    x = (blobs(7, 300, 3, 4, 3.0) + numpy.float32(65536)).astype(numpy.float32)
    yield "far_from_zero", x, off_lattice(7, x, 4), {}, "large mean, small spread"

    x = blobs(8, 120, 1, 3, 3.0)
    yield "one_column", x, off_lattice(8, x, 3), {}, "a single column"
    yield "one_cluster", x, off_lattice(8, x, 1), {}, "k = 1: the mean"

    x = blobs(9, 12, 2, 6, 3.0)
    yield "every_row", x, x.astype(float) + 0.001, {}, "as many clusters as rows"

    x = numpy.repeat(blobs(10, 30, 2, 4, 3.0), numpy.arange(1, 31), axis=0)
    yield "duplicates", x, off_lattice(12, numpy.unique(x, axis=0), 5), {}, "rows that repeat"

    x = blobs(11, 200, 40, 12, 5.0)
    yield "wide", x, off_lattice(11, x, 12), {}, "40 columns, 12 clusters"

    x = blobs(12, 300, 3, 3, 3.0) * numpy.array([1, 1e-4, 1e4], dtype=numpy.float32)
    yield "scales", x, off_lattice(12, x, 3), {}, "columns of very different scale"

    x = blobs(13, 160, 3, 3, 3.0)
    x[:, 1] = 42.5
    yield "constant_column", x, off_lattice(13, x, 3), {}, "a column of equal values"

    x = blobs(14, 200, 2, 3, 3.0)
    weights = numpy.where(numpy.arange(200) % 2 == 0, 0.0, 1.5)
    yield "half_weightless", x, off_lattice(14, x, 3), {"weights": weights}, \
        "every other row weighs nothing; tol 0, so it is in no sum but has a label"
    yield "tiny_tol", x, off_lattice(15, x, 3), {"tol": 1e-9}, "tol that no shift falls below"
    yield "huge_tol", x, off_lattice(15, x, 3), {"tol": 10.0}, "tol that the first shift meets"

    weights = 10.0 ** numpy.random.default_rng(16).uniform(-6, 6, 200)
    yield "decades", x, off_lattice(16, x, 3), {"weights": weights}, "weights over twelve decades"


def fit(x, start, options):
    model = KMeans(len(start), init=start, n_init=1, algorithm="lloyd",
                   max_iter=options.get("max_iter", 300), tol=options.get("tol", 0.0))
    return model.fit(x.astype(numpy.float64), sample_weight=options.get("weights"))


def smallest_gap(x, centres):
    """How much nearer the nearest centre is than the next one, in the closest case."""
    if len(centres) == 1:
        return None
    d2 = ((x[:, None, :].astype(float) - centres[None]) ** 2).sum(2)
    d2.sort(axis=1)
    return float(((d2[:, 1] - d2[:, 0]) / (d2[:, 1] + 1e-300)).min())


def n_init_case():
    """Groups far apart, so that the best of many starts is the same for any random numbers."""
    x = blobs(20, 300, 3, 6, 0.3)
    best = KMeans(6, n_init=50, random_state=0, tol=0.0).fit(x.astype(numpy.float64))
    numpy.save(os.path.join(HERE, "n_init_rows.npy"), x)
    return {"name": "n_init", "what": "the best of many starts", "k": 6,
            "inertia": best.inertia_, "sizes": sorted(numpy.bincount(best.labels_).tolist())}


def main():
    os.makedirs(HERE, exist_ok=True)
    written = []
    for name, x, start, options, what in cases():
        model = fit(x, start, options)
        arrays = {"rows": x, "start": start.astype(numpy.float64),
                  "labels": model.labels_.astype(numpy.int32), "centres": model.cluster_centers_}
        if "weights" in options:
            arrays["weights"] = options["weights"].astype(numpy.float64)
        for part, values in arrays.items():
            numpy.save(os.path.join(HERE, f"{name}_{part}.npy"), values)
        written.append({
            "name": name, "what": what, "k": len(start), "tol": options.get("tol", 0.0),
            "max_iter": options.get("max_iter", 300), "weighted": "weights" in options,
            "iterations": int(model.n_iter_), "inertia": float(model.inertia_),
            "converged": bool(model.n_iter_ < options.get("max_iter", 300)),
            "smallest_gap": smallest_gap(x, model.cluster_centers_)})
        print(f"{name:22} {x.shape!s:10} k {len(start):2} iterations {model.n_iter_:3} "
              f"inertia {model.inertia_:.10g} gap {written[-1]['smallest_gap']}")
    document = {
        "made_with": {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__,
                      "python": platform.python_version()},
        "cases": written, "n_init": n_init_case()}
    with open(os.path.join(HERE, "cases.json"), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
