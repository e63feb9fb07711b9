"""blackspot from Python, by ctypes: numpy arrays in, numpy arrays out. Structures and names are
those of include/blackspot.h, which says what every field means.

    with Engine("build/libblackspot.so") as engine:
        model = engine.kmeans(x, k=5, n_init=10, seed=1)
        print(model.inertia, model.centres)
        labels = model.assign(x)
        mixture = engine.gmm(x, k=3, covariance="full")
        log_likelihood = mixture.score(x)

Rows are float32, of an engine made with float64=True float64; other arrays are converted, which
copies them. An engine serves one thread at a
time, and its models must not outlive it."""
import ctypes
from ctypes import c_char, c_char_p, c_double, c_int, c_int32, c_int64, c_uint64, c_void_p

import numpy

KMEANS_INITS = {"k-means++": 0, "random": 1, "centres": 2, "k-means||": 3, "coreset": 4, "auto": 5}
GMM_INITS = {"kmeans": 0, "k-means++": 1, "random_from_data": 2, "random": 3}
COVARIANCES = {"full": 0, "tied": 1, "diag": 2, "spherical": 3}


class Error(ctypes.Structure):
    _fields_ = [("code", c_int), ("message", c_char * 600), ("row", c_int64), ("column", c_int32)]


class EngineOptions(ctypes.Structure):
    _fields_ = [("device", c_char_p), ("threads", c_int32), ("log", c_void_p),
                ("stopped", c_void_p), ("arg", c_void_p), ("memory", c_int64),
                ("scratch", c_char_p), ("streamed", c_void_p), ("cuda_library", c_char_p)]


class Matrix(ctypes.Structure):
    _fields_ = [("values", c_void_p), ("weights", c_void_p), ("rows", c_int64),
                ("columns", c_int32), ("reader", c_void_p), ("values64", c_void_p)]


class KmeansOptions(ctypes.Structure):
    _fields_ = [("k", c_int32), ("init", c_int), ("centres", c_void_p), ("metric", c_int),
                ("n_init", c_int32), ("max_iter", c_int32), ("mini_batch", c_int64),
                ("tol", c_double), ("seed", c_uint64), ("compact", c_int32), ("batch_rows", c_int64),
                ("progress", c_void_p), ("progress_arg", c_void_p), ("checkpoint", c_void_p),
                ("labels", c_void_p)]


class KmeansResult(ctypes.Structure):
    _fields_ = [("k", c_int32), ("columns", c_int32), ("centres", ctypes.POINTER(c_double)),
                ("sizes", ctypes.POINTER(c_int64)), ("weights", ctypes.POINTER(c_double)),
                ("metric", c_int), ("inertia", c_double), ("iterations", c_int32),
                ("converged", c_int32), ("best_run", c_int32), ("near_ties", c_double), ("init_seconds", c_double)]


class GmmOptions(ctypes.Structure):
    _fields_ = [("k", c_int32), ("covariance", c_int), ("init", c_int), ("weights", c_void_p),
                ("means", c_void_p), ("precisions", c_void_p), ("warm_start", c_void_p),
                ("n_init", c_int32), ("max_iter", c_int32), ("tol", c_double),
                ("reg_covar", c_double), ("seed", c_uint64), ("compact", c_int32),
                ("batch_rows", c_int64), ("progress", c_void_p), ("progress_arg", c_void_p),
                ("checkpoint", c_void_p)]


class GmmResult(ctypes.Structure):
    _fields_ = [("k", c_int32), ("columns", c_int32), ("covariance", c_int),
                ("weights", ctypes.POINTER(c_double)), ("means", ctypes.POINTER(c_double)),
                ("covariances", ctypes.POINTER(c_double)), ("lower_bound", c_double),
                ("log_likelihood", c_double), ("bic", c_double), ("aic", c_double),
                ("iterations", c_int32), ("converged", c_int32), ("best_run", c_int32),
                ("init_seconds", c_double)]


STRUCTURES = {"spot_error": Error, "spot_engine_options": EngineOptions, "spot_matrix": Matrix,
              "spot_kmeans_options": KmeansOptions, "spot_kmeans_result": KmeansResult,
              "spot_gmm_options": GmmOptions, "spot_gmm_result": GmmResult}


class BlackspotError(Exception):
    """The library's message; `code` is its enum spot_status."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def array(values, dtype):
    """A contiguous array of the type; a copy only where it must be."""
    return None if values is None else numpy.ascontiguousarray(values, dtype=dtype)


def address(values):
    return None if values is None else c_void_p(values.ctypes.data)


def fill(options, values):
    """Sets fields of a structure of options by name; a wrong name is an error."""
    for name, value in values.items():
        if not hasattr(options, name):
            raise TypeError(f"{type(options).__name__} has no option {name!r}")
        setattr(options, name, value)


class ForestOptions(ctypes.Structure):
    _fields_ = [("output", c_int), ("first_iteration", c_int32), ("iterations", c_int32),
                ("base_margin", c_void_p)]


class ForestRows(ctypes.Structure):
    _fields_ = [("values", c_void_p), ("values64", c_void_p), ("rows", c_int64),
                ("columns", c_int32)]


FOREST_OUTPUTS = {"value": 0, "margin": 1, "label": 2, "leaf": 3, "contributions": 4}


class Forest:
    """Boosted trees, opened by Engine.forest."""

    def __init__(self, engine, model):
        self.engine, self.model = engine, model
        engine.lib.spot_forest_width.restype = c_int64

    def score(self, x, output="value"):
        """x (n, d), float32 or float64, NaN where a value is missing: (n, width)."""
        x = numpy.ascontiguousarray(x, x.dtype if x.dtype == numpy.float64 else numpy.float32)
        double = x.dtype == numpy.float64
        options = ForestOptions(output=FOREST_OUTPUTS[output])
        rows = ForestRows(None if double else address(x), address(x) if double else None,
                          x.shape[0], x.shape[1])
        width = self.engine.lib.spot_forest_width(self.model, ctypes.byref(options))
        out = numpy.empty((len(x), width))
        self.engine.call("spot_forest_score", self.engine.handle, self.model, ctypes.byref(rows),
                         ctypes.byref(options), address(out))
        return out

    def margins(self, x):
        return self.score(x, "margin")

    def close(self):
        self.engine.lib.spot_forest_free(self.model)
        self.model = c_void_p()


class Engine:
    """A device and its threads (0: as many as the process may use)."""

    def __init__(self, library, threads=0, device="auto", float64=False):
        self.float64 = float64
        self.lib = ctypes.CDLL(library)
        self.lib.spot_kmeans_defaults.restype = KmeansOptions
        self.lib.spot_kmeans_result.restype = ctypes.POINTER(KmeansResult)
        self.lib.spot_gmm_defaults.restype = GmmOptions
        self.lib.spot_gmm_result.restype = ctypes.POINTER(GmmResult)
        self.lib.spot_engine_device.restype = c_char_p
        self.handle = c_void_p()
        options = EngineOptions(device=device.encode(), threads=threads)
        self.call("spot_engine_open", ctypes.byref(options), ctypes.byref(self.handle))
        self.device = self.lib.spot_engine_device(self.handle).decode()

    def call(self, function, *arguments):
        """Calls a function that returns a status and takes a struct spot_error last."""
        error = Error()
        if getattr(self.lib, function)(*arguments, ctypes.byref(error)) < 0:
            raise BlackspotError(error.code, error.message.decode())

    def matrix(self, x, weights=None):
        """A struct spot_matrix, and the arrays that must live as long as it is used."""
        x = array(x, numpy.float64 if self.float64 else numpy.float32)
        weights = array(weights, numpy.float64)
        if x.ndim != 2 or (weights is not None and weights.shape != x.shape[:1]):
            raise ValueError("rows are (n, d), their weights (n)")
        matrix = Matrix(None, address(weights), x.shape[0], x.shape[1])
        if self.float64:
            matrix.values64 = address(x)
        else:
            matrix.values = address(x)
        return matrix, (x, weights)

    def kmeans(self, x, k, init="k-means++", weights=None, **others):
        """Clusters x (n, d). init: a name of KMEANS_INITS, or centres (k, d); others: fields of
        struct spot_kmeans_options (n_init, max_iter, tol, seed, ...). The model's `labels` (n) are
        the clusters of these rows."""
        matrix, kept = self.matrix(x, weights)
        labels = numpy.empty(matrix.rows, numpy.int32)
        options = self.lib.spot_kmeans_defaults()
        fill(options, dict(others, k=k))
        options.labels = address(labels)
        centres = None if isinstance(init, str) else array(init, numpy.float64)
        options.init = KMEANS_INITS["centres" if centres is not None else init]
        options.centres = address(centres)
        model = c_void_p()
        self.call("spot_kmeans_fit", self.handle, ctypes.byref(matrix), ctypes.byref(options),
                  ctypes.byref(model))
        del kept
        found = Kmeans(self, model)
        found.labels = labels
        return found

    def gmm(self, x, k, covariance="full", init="kmeans", weights=None, start=None, **others):
        """Fits a mixture to x (n, d). start: (weights, means, precisions), each may be None;
        others: fields of struct spot_gmm_options (n_init, max_iter, tol, reg_covar, seed, ...)."""
        matrix, kept = self.matrix(x, weights)
        options = self.lib.spot_gmm_defaults()
        fill(options, dict(others, k=k))
        options.covariance, options.init = COVARIANCES[covariance], GMM_INITS[init]
        start = [array(values, numpy.float64) for values in start or (None, None, None)]
        options.weights, options.means, options.precisions = map(address, start)
        model = c_void_p()
        self.call("spot_gmm_fit", self.handle, ctypes.byref(matrix), ctypes.byref(options),
                  ctypes.byref(model))
        del kept
        return Mixture(self, model)

    def forest(self, path):
        """A model file of XGBoost or LightGBM."""
        model = c_void_p()
        self.call("spot_forest_load", path.encode(), ctypes.byref(model))
        return Forest(self, model)

    def close(self):
        self.lib.spot_engine_close(self.handle)
        self.handle = c_void_p()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class Model:
    """What a fit found: the numbers of its struct spot_..._result as attributes."""

    def __init__(self, engine, handle):
        self.engine, self.handle = engine, handle
        result = getattr(engine.lib, f"spot_{self.kind}_result")(handle).contents
        for name, _ in result._fields_:
            setattr(self, name, getattr(result, name))
        for name, shape in self.shapes().items():
            setattr(self, name, numpy.ctypeslib.as_array(getattr(result, name), shape).copy())

    def save(self, path):
        self.engine.call(f"spot_{self.kind}_save", self.handle, str(path).encode())

    def __del__(self):
        getattr(self.engine.lib, f"spot_{self.kind}_free")(self.handle)


class Kmeans(Model):
    kind = "kmeans"

    def shapes(self):
        return {"centres": (self.k, self.columns), "sizes": (self.k,), "weights": (self.k,)}

    def assign(self, x, distances=False):
        """The nearest centre of each row: labels (n); with `distances` also how far it is (n)."""
        matrix, kept = self.engine.matrix(x)
        labels = numpy.empty(matrix.rows, numpy.int32)
        lengths = numpy.empty(matrix.rows, numpy.float64) if distances else None
        self.engine.call("spot_kmeans_assign", self.engine.handle, self.handle,
                         ctypes.byref(matrix), address(labels), address(lengths))
        del kept
        return (labels, lengths) if distances else labels


class Mixture(Model):
    kind = "gmm"

    def shapes(self):
        k, d = self.k, self.columns
        covariances = [(k, d, d), (d, d), (k, d), (k,)][self.covariance]
        return {"weights": (k,), "means": (k, d), "covariances": covariances}

    def rows(self, x, labels=None, responsibilities=None, log_likelihood=None):
        """Fills those arrays of (n), (n, k) and (n) that are given."""
        matrix, kept = self.engine.matrix(x)
        self.engine.call("spot_gmm_score", self.engine.handle, self.handle, ctypes.byref(matrix),
                         address(labels), address(responsibilities), address(log_likelihood))
        del kept

    def assign(self, x):
        """The most responsible component of each row: (n)."""
        labels = numpy.empty(len(x), numpy.int32)
        self.rows(x, labels=labels)
        return labels

    def responsibilities(self, x):
        """Each row's share of each component: (n, k)."""
        shares = numpy.empty((len(x), self.k), numpy.float64)
        self.rows(x, responsibilities=shares)
        return shares

    def score(self, x):
        """The log of the mixture's density at each row: (n); low values are anomalies."""
        density = numpy.empty(len(x), numpy.float64)
        self.rows(x, log_likelihood=density)
        return density
