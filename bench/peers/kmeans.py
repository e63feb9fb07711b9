"""A process that fits KMeans with one library when asked, so that every fit but its first is warm.

    kmeans.py blackspot|scikit-learn|scikit-learn-intelex|faiss THREADS [libblackspot.so]

One request a line on standard input: {"rows": file.npy, "start": file.npy or null (k-means++), "k",
"max_iter", "tol", "seed", "inertia": whether to compute it}. One answer a line: seconds of the
whole fit with its labels, iterations, and the inertia, computed here in float64 for everybody."""
import json
import os
import sys
import time

import numpy

THREADS = int(sys.argv[2])


def blackspot():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    import blackspot_ctypes
    engine = blackspot_ctypes.Engine(sys.argv[3], THREADS)

    def fit(x, start, k, max_iter, tol, seed):
        return engine.kmeans(x, start, k, max_iter, tol, seed)
    return fit


def scikit_learn():
    if sys.argv[1] == "scikit-learn":
        from sklearn.cluster import KMeans
    else:
        from sklearnex.cluster import KMeans

    def fit(x, start, k, max_iter, tol, seed):
        model = KMeans(k, init="k-means++" if start is None else start.astype(x.dtype), n_init=1,
                       max_iter=max_iter, tol=tol, random_state=seed, algorithm="lloyd").fit(x)
        return model.cluster_centers_, {"iterations": int(model.n_iter_)}
    return fit


def faiss_kmeans():
    """faiss knows no tol: a whole fit is its own 25 iterations."""
    import faiss
    faiss.omp_set_num_threads(THREADS)

    def fit(x, start, k, max_iter, tol, seed):
        parameters = faiss.ClusteringParameters()
        parameters.niter = max_iter if tol == 0 else 25
        parameters.seed = seed
        parameters.min_points_per_centroid = 1
        parameters.max_points_per_centroid = len(x)
        clustering = faiss.Clustering(x.shape[1], k, parameters)
        if start is None:
            parameters.init_method = faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS
            clustering = faiss.Clustering(x.shape[1], k, parameters)
        else:
            faiss.copy_array_to_vector(start.astype(numpy.float32).ravel(), clustering.centroids)
        index = faiss.IndexFlatL2(x.shape[1])
        clustering.train(x, index)
        index.search(x, 1)
        centres = faiss.vector_to_array(clustering.centroids).reshape(k, x.shape[1])
        return centres, {"iterations": clustering.iteration_stats.size()}
    return fit


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
    fit = {"blackspot": blackspot, "scikit-learn": scikit_learn,
           "scikit-learn-intelex": scikit_learn, "faiss": faiss_kmeans}[sys.argv[1]]()
    arrays = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["rows"] not in arrays:
            arrays = {request["rows"]: numpy.load(request["rows"])}
        x = arrays[request["rows"]]
        start = None if request["start"] is None else numpy.load(request["start"])
        begin = time.perf_counter()
        centres, found = fit(x, start, request["k"], request["max_iter"], request["tol"],
                             request["seed"])
        seconds = time.perf_counter() - begin
        answer = {"seconds": seconds, **found}
        if request["inertia"]:
            answer["inertia"] = inertia(x, centres)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
