#!/usr/bin/env python3
"""Writes tests/reference/measures/cases.json: what scikit-learn measures for the clusterings stored
in tests/reference/kmeans/, each row given to the nearest of the stored centres.

    VENV/bin/python tests/reference/measures/make_reference.py      (numpy, scikit-learn)

The C test loads them (tests/test_measures.c); run this only to add a case."""
import glob
import json
import os

import numpy
import sklearn
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

HERE = os.path.dirname(os.path.abspath(__file__))
KMEANS = os.path.join(HERE, "..", "kmeans")


def cases():
    for path in sorted(glob.glob(os.path.join(KMEANS, "*_rows.npy"))):
        name = os.path.basename(path)[: -len("_rows.npy")]
        if not os.path.exists(os.path.join(KMEANS, name + "_centres.npy")):
            continue
        x = numpy.load(path).astype(numpy.float64)
        centres = numpy.load(os.path.join(KMEANS, name + "_centres.npy"))
        distances = ((x[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        nearest = numpy.sort(distances, axis=1)
        if len(centres) > 1 and (nearest[:, 1] - nearest[:, 0]).min() < 1e-9:
            continue  # a tie that rounding would decide
        labels = distances.argmin(axis=1)
        clusters = len(set(labels))
        case = {"name": name, "clusters": clusters}
        if 2 <= clusters < len(x):
            case["silhouette"] = float(silhouette_score(x, labels))
            case["davies_bouldin"] = float(davies_bouldin_score(x, labels))
            case["calinski_harabasz"] = float(calinski_harabasz_score(x, labels))
        yield case


def main():
    document = {"scikit-learn": sklearn.__version__, "cases": list(cases())}
    with open(os.path.join(HERE, "cases.json"), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
