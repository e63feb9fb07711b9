"""A process that fits KMeans, or labels rows, with one library when asked, so that every call but
its first is warm.

    kmeans.py blackspot|scikit-learn|scikit-learn-intelex|faiss THREADS [libblackspot.so]

task "fit": "rows" (file.npy), "first" (how many of them, null: all), "start" (file.npy of centres,
a number: that many of the first rows, null: seeding by "init"), "k", "max_iter", "tol", "seed",
"inertia" (whether to compute it), "times". Answer: seconds of a fit with its labels (the median of
so many), iterations, and the inertia, computed here in float64 for everybody.

task "score": "rows", "first", "start" (file.npy of the centres), "k", "times", and "save" or
"compare" (file.npy for the labels). Answer: seconds, and the share of labels that differ."""
import sys

import numpy

import worker

THREADS = int(sys.argv[2])


class Blackspot:
    def __init__(self):
        self.engine = worker.blackspot_engine(sys.argv[3], THREADS)

    def fit(self, x, start, k, max_iter, tol, seed, init):
        model = self.engine.kmeans(x, k, init if start is None else start, n_init=1,
                                   max_iter=max_iter, tol=tol, seed=seed)
        return model.centres, {"iterations": model.iterations, "near_ties": model.near_ties}

    def scorer(self, centres):
        return self.engine.kmeans(centres, len(centres), centres, max_iter=1).assign


class ScikitLearn:
    """Ours and the intelex one have the same interface."""

    def __init__(self):
        if sys.argv[1] == "scikit-learn":
            from sklearn.cluster import KMeans
        else:
            from sklearnex.cluster import KMeans
        self.kmeans = KMeans

    def fit(self, x, start, k, max_iter, tol, seed, init):
        start = init if start is None else start.astype(x.dtype)
        model = self.kmeans(k, init=start, n_init=1, max_iter=max_iter, tol=tol, random_state=seed,
                            algorithm="lloyd").fit(x)
        return model.cluster_centers_, {"iterations": int(model.n_iter_)}

    def scorer(self, centres):
        twice = numpy.repeat(centres, 2, axis=0)  # the intelex one wants more rows than clusters
        return self.kmeans(len(centres), init=centres, n_init=1, max_iter=1).fit(twice).predict


class Faiss:
    """faiss knows no tol: a whole fit is its own 25 iterations."""

    def __init__(self):
        import faiss
        self.faiss = faiss
        faiss.omp_set_num_threads(THREADS)

    def fit(self, x, start, k, max_iter, tol, seed, init):
        faiss = self.faiss
        parameters = faiss.ClusteringParameters()
        parameters.niter = max_iter if tol == 0 else 25
        parameters.seed = seed
        parameters.min_points_per_centroid = 1
        parameters.max_points_per_centroid = len(x)
        if start is None:
            parameters.init_method = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
        clustering = faiss.Clustering(x.shape[1], k, parameters)
        if start is not None:
            faiss.copy_array_to_vector(start.astype(numpy.float32).ravel(), clustering.centroids)
        index = faiss.IndexFlatL2(x.shape[1])
        clustering.train(x, index)
        index.search(x, 1)
        centres = faiss.vector_to_array(clustering.centroids).reshape(k, x.shape[1])
        return centres, {"iterations": clustering.iteration_stats.size()}

    def scorer(self, centres):
        index = self.faiss.IndexFlatL2(centres.shape[1])
        index.add(centres)
        return lambda x: index.search(x, 1)[1][:, 0]


LIBRARIES = {"blackspot": Blackspot, "scikit-learn": ScikitLearn,
             "scikit-learn-intelex": ScikitLearn, "faiss": Faiss}


def inertia(x, centres):
    """Sum of squared distances to the nearest centre, float64, a block of rows at a time."""
    centres = numpy.asarray(centres, dtype=numpy.float64)
    middle = centres.mean(axis=0)
    centres = centres - middle
    norms = (centres ** 2).sum(axis=1)
    total = 0.0
    for first in range(0, len(x), 16384):
        block = x[first:first + 16384].astype(numpy.float64) - middle
        nearest = (norms - 2 * block @ centres.T).min(axis=1)
        total += float((nearest + (block ** 2).sum(axis=1)).sum())
    return total


def main():
    library, rows = LIBRARIES[sys.argv[1]](), worker.Rows()

    def fit(request):
        x = rows.load(request)
        start = worker.starting(x, request["start"])
        (centres, found), seconds = worker.timed(
            lambda: library.fit(x, start, request["k"], request["max_iter"], request["tol"],
                                request["seed"], request.get("init", "k-means++")),
            request.get("times", 1))
        answer = {"seconds": seconds, **found}
        if request["inertia"]:
            answer["inertia"] = inertia(x, centres)
        return answer

    def score(request):
        """The centres are fitted to themselves: a model that has them as they are."""
        x, centres = rows.load(request), numpy.load(request["start"]).astype(numpy.float32)
        label = library.scorer(centres)
        labels, seconds = worker.timed(lambda: label(x), request["times"])
        return {"seconds": seconds,
                "differing": worker.differing(labels, request, numpy.not_equal)}

    def accepts(request):
        """Whether the library knows a seeding: an empty text, or its refusal."""
        x = numpy.arange(8, dtype=numpy.float32).reshape(4, 2)
        try:
            library.fit(x, None, 2, 1, 0.0, 0, request["init"])
        except Exception as refusal:
            return {"refusal": str(refusal)}
        return {"refusal": ""}

    worker.serve({"fit": fit, "score": score, "accepts": accepts})


if __name__ == "__main__":
    main()
