"""A process that fits a Gaussian mixture, or scores rows under one, with one library when asked.

    gmm.py blackspot|scikit-learn THREADS [libblackspot.so]

task "fit": "rows" (file.npy), "dtype", "first", "start" (of the means, as in kmeans.py; null: by
KMeans), "k", "covariance", "max_iter", "tol", "seed". With a start the weights are equal and every
covariance is the data's mean variance times the identity. Answer: seconds, iterations, and the
lower bound: the mean log-likelihood before the last update.

task "score": the same after a fit, "times", and "save" or "compare" (file.npy): seconds of the
rows' log-likelihoods, and the share of them that differs by more than 1e-6 of its size (1e-4 in
float32)."""
import sys
import warnings

import numpy

import worker

THREADS = int(sys.argv[2])


def start_of(x, means, covariance):
    """(weights, means, precisions)"""
    k, d = means.shape
    precision = 1.0 / x.var(axis=0, dtype=numpy.float64).mean()
    square = precision * numpy.eye(d)
    precisions = {"full": numpy.tile(square, (k, 1, 1)), "tied": square,
                  "diag": numpy.full((k, d), precision),
                  "spherical": numpy.full(k, precision)}[covariance]
    return numpy.full(k, 1.0 / k), means, precisions


class Blackspot:
    def __init__(self):
        self.engine = worker.blackspot_engine(sys.argv[3], THREADS)

    def fit(self, x, start, request):
        model = self.engine.gmm(x, request["k"], request["covariance"], start=start,
                                max_iter=request["max_iter"], tol=request["tol"],
                                seed=request["seed"])
        return model, model.iterations, model.lower_bound

    def score(self, model, x):
        return model.score(x)


class ScikitLearn:
    def __init__(self):
        from sklearn.mixture import GaussianMixture
        self.mixture = GaussianMixture
        warnings.simplefilter("ignore")  # that it did not converge in so few iterations

    def fit(self, x, start, request):
        weights, means, precisions = start or (None, None, None)
        model = self.mixture(request["k"], covariance_type=request["covariance"],
                             weights_init=weights, means_init=means, precisions_init=precisions,
                             max_iter=request["max_iter"], tol=request["tol"],
                             random_state=request["seed"]).fit(x)
        return model, int(model.n_iter_), float(model.lower_bound_)

    def score(self, model, x):
        return model.score_samples(x)


LIBRARIES = {"blackspot": Blackspot, "scikit-learn": ScikitLearn}


def main():
    library, rows, kept = LIBRARIES[sys.argv[1]](), worker.Rows(), {}

    def fit(request):
        x = rows.load(request)
        means = worker.starting(x, request["start"])
        start = None if means is None else start_of(x, means, request["covariance"])
        (model, iterations, bound), seconds = worker.timed(
            lambda: library.fit(x, start, request), request.get("times", 1))
        kept["model"] = model
        return {"seconds": seconds, "iterations": iterations, "lower_bound": bound}

    def score(request):
        """Under the model of the last fit."""
        x = rows.load(request)
        values, seconds = worker.timed(lambda: library.score(kept["model"], x), request["times"])
        tolerance = 1e-6 if request.get("dtype") == "float64" else 1e-4

        def far(mine, other):
            return abs(mine - other) > tolerance * numpy.maximum(1.0, abs(other))
        return {"seconds": seconds, "differing": worker.differing(values, request, far)}

    worker.serve({"fit": fit, "score": score})


if __name__ == "__main__":
    main()
