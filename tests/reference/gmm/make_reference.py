#!/usr/bin/env python3
"""Writes cases.json beside this file: small mixtures and what scikit-learn's GaussianMixture made of
them, from starts that are given. Rows are float32; scikit-learn gets the same values as float64.

    VENV/bin/python tests/reference/gmm/make_reference.py      (numpy, scikit-learn)

The C test loads them (tests/test_gmm_reference.c); run this only to add a case."""
import json
import os
import warnings

import numpy
import sklearn
from sklearn.mixture import GaussianMixture

HERE = os.path.dirname(os.path.abspath(__file__))
SCORED = 12


def blobs(seed, rows, columns, groups, spread, shift=0.0):
    rng = numpy.random.default_rng(seed)
    middle = rng.uniform(-6, 6, (groups, columns)) + shift
    mix = rng.normal(0, spread, (groups, columns, columns)) / numpy.sqrt(columns)
    label = rng.integers(groups, size=rows)
    x = middle[label] + numpy.einsum("nij,nj->ni", mix[label], rng.normal(size=(rows, columns)))
    return numpy.round(x, 3).astype(numpy.float32)


def start(seed, x, k, covariance):
    """Rows as means, uneven weights, and precisions that are no multiples of the identity."""
    rng = numpy.random.default_rng(seed)
    d = x.shape[1]
    weights = numpy.arange(1, k + 1) / (k * (k + 1) / 2)
    means = x[rng.choice(len(x), k, replace=False)].astype(float)
    variance = x.astype(float).var(axis=0)
    scale = 1 / numpy.where(variance > 0, variance, 1.0)
    matrix = numpy.diag(scale) + 0.1 * numpy.sqrt(numpy.outer(scale, scale))
    precisions = {"full": numpy.stack([matrix * (1 + 0.2 * c) for c in range(k)]),
                  "tied": matrix,
                  "diag": numpy.outer(1 + 0.2 * numpy.arange(k), scale),
                  "spherical": scale.mean() * (1 + 0.2 * numpy.arange(k))}[covariance]
    return weights, means, precisions


def cases():
    for covariance in ("full", "tied", "diag", "spherical"):
        x = blobs(1, 200, 4, 3, 2.0)
        yield covariance + "_fixed", x, 3, covariance, {"max_iter": 7, "tol": 0.0}, None
        yield covariance + "_converged", x, 3, covariance, {"max_iter": 300, "tol": 1e-5}, None
        x = blobs(2, 150, 9, 4, 2.0)
        yield covariance + "_wide", x, 4, covariance, {"max_iter": 10, "tol": 0.0}, None
        x = blobs(3, 150, 2, 3, 1.5, shift=3000.0)
        yield covariance + "_far", x, 3, covariance, {"max_iter": 8, "tol": 0.0}, None
        x = blobs(4, 120, 3, 2, 1.5)
        weights = numpy.random.default_rng(4).integers(0, 4, 120)
        yield covariance + "_weights", x, 2, covariance, {"max_iter": 9, "tol": 0.0}, weights
    x = blobs(5, 100, 1, 2, 2.0)
    yield "one_column", x, 2, "full", {"max_iter": 12, "tol": 0.0}, None
    x = blobs(6, 90, 3, 2, 2.0)
    yield "one_component", x, 1, "full", {"max_iter": 5, "tol": 1e-3}, None
    yield "regular", x, 2, "full", {"max_iter": 6, "tol": 0.0, "reg_covar": 0.5}, None
    x = blobs(8, 160, 3, 3, 2.0)
    for tol in (1e-1, 1e-2, 1e-3):
        yield "tol_%g" % tol, x, 3, "full", {"max_iter": 200, "tol": tol}, None
    for covariance in ("full", "tied", "diag", "spherical"):
        x = blobs(9, 140, 3, 3, 2.0)
        yield (covariance + "_warm", x, 3, covariance,
               {"max_iter": 4, "tol": 0.0, "then": {"max_iter": 5, "tol": 1e-6}}, None)
        # Degenerate rows: a column that is constant, few different rows, one row a component.
        x = blobs(10, 90, 3, 2, 2.0)
        x[:, 1] = 2.5
        yield covariance + "_constant_column", x, 2, covariance, {"max_iter": 6, "tol": 0.0}, None
        x = numpy.repeat(blobs(11, 6, 2, 3, 2.0), 9, axis=0)
        yield covariance + "_repeated_rows", x, 3, covariance, {"max_iter": 5, "tol": 0.0}, None
        x = numpy.float32([[0, 0], [30, 1], [2, 40], [-25, -30]])
        yield covariance + "_one_row_each", x, 4, covariance, {"max_iter": 3, "tol": 0.0}, None
    yield "equal_rows", numpy.full((20, 2), 3, numpy.float32), 1, "full", {"max_iter": 2, "tol": 0.0}, None


def free_cases():
    """No start is given: groups that lie far apart, where every good start ends the same way."""
    for covariance in ("full", "tied", "diag", "spherical"):
        for init in ("kmeans", "k-means++"):
            x = blobs(12, 400, 3, 3, 0.4) * numpy.float32(4)
            yield ("%s_%s" % (covariance, init), numpy.round(x, 2), 3, covariance,
                   {"max_iter": 500, "tol": 1e-9, "n_init": 5, "init_params": init})


def fit_free(name, x, k, covariance, options):
    model = GaussianMixture(k, covariance_type=covariance, random_state=0, **options)
    model.fit(x.astype(float))
    order = numpy.argsort(model.means_[:, 0])
    rows = x.astype(float)
    choice = [GaussianMixture(n, covariance_type=covariance, random_state=0, **options).fit(rows)
              for n in range(1, 6)]
    bics = [each.bic(rows) for each in choice]
    covariances = model.covariances_ if covariance == "tied" else model.covariances_[order]
    return {"name": name, "k": k, "columns": x.shape[1], "covariance": covariance,
            "init": options["init_params"], "n_init": options["n_init"],
            "max_iter": options["max_iter"], "tol": options["tol"],
            "x": [float(str(v)) for v in x.ravel()], "log_likelihood": model.score(rows),
            "bic": model.bic(rows), "aic": model.aic(rows), "weights": model.weights_[order],
            "means": model.means_[order].ravel(), "covariances": covariances.ravel(),
            "one_component_bic": bics[0], "best_k": 1 + int(numpy.argmin(bics))}


def fit(name, x, k, covariance, options, weights):
    then = options.pop("then", None)
    w0, m0, p0 = start(7, x, k, covariance)
    rows = x.astype(float) if weights is None else numpy.repeat(x.astype(float), weights, axis=0)
    model = GaussianMixture(k, covariance_type=covariance, weights_init=w0, means_init=m0,
                            precisions_init=p0, warm_start=then is not None, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows)
        if then is not None:
            model.set_params(**then)
            model.fit(rows)
    scored = x[:SCORED].astype(float)
    case = {"name": name, "k": k, "columns": x.shape[1], "covariance": covariance,
            "max_iter": options["max_iter"], "tol": options["tol"],
            "reg_covar": options.get("reg_covar", 1e-6),
            "x": [float(str(v)) for v in x.ravel()],
            "start": {"weights": w0, "means": m0.ravel(), "precisions": p0.ravel()},
            "iterations": model.n_iter_, "converged": bool(model.converged_),
            "lower_bound": model.lower_bound_, "log_likelihood": model.score(rows),
            "bic": model.bic(rows), "aic": model.aic(rows), "weights": model.weights_,
            "means": model.means_.ravel(), "covariances": model.covariances_.ravel(),
            "scored": {"labels": model.predict(scored), "log_likelihood": model.score_samples(scored),
                       "responsibilities": model.predict_proba(scored).ravel()}}
    if weights is not None:
        case["sample_weights"] = weights
    if then is not None:
        case["then"] = then
    return case


def plain(value):
    if isinstance(value, numpy.ndarray):
        return value.tolist()
    if isinstance(value, numpy.generic):
        return value.item()
    raise TypeError(type(value))


def main():
    made = [fit(*case) for case in cases()]
    with open(os.path.join(HERE, "cases.json"), "w") as file:
        file.write('{"scikit-learn": "%s", "cases": [\n' % sklearn.__version__)
        file.write(",\n".join(json.dumps(case, default=plain) for case in made))
        file.write('\n], "free": [\n')
        file.write(",\n".join(json.dumps(fit_free(*case), default=plain) for case in free_cases()))
        file.write("\n]}\n")


if __name__ == "__main__":
    main()
