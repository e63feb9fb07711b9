"""The few calls of include/blackspot.h that the benchmark makes in its own process, by ctypes."""
import ctypes

import numpy


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 600)]


class EngineOptions(ctypes.Structure):
    _fields_ = [("device", ctypes.c_char_p), ("threads", ctypes.c_int32), ("log", ctypes.c_void_p),
                ("stopped", ctypes.c_void_p), ("arg", ctypes.c_void_p)]


class Matrix(ctypes.Structure):
    _fields_ = [("values", ctypes.c_void_p), ("weights", ctypes.c_void_p),
                ("rows", ctypes.c_int64), ("columns", ctypes.c_int32)]


class KmeansOptions(ctypes.Structure):
    _fields_ = [("k", ctypes.c_int32), ("init", ctypes.c_int), ("centres", ctypes.c_void_p),
                ("n_init", ctypes.c_int32), ("max_iter", ctypes.c_int32), ("tol", ctypes.c_double),
                ("seed", ctypes.c_uint64), ("compact", ctypes.c_int32),
                ("batch_rows", ctypes.c_int64), ("progress", ctypes.c_void_p),
                ("progress_arg", ctypes.c_void_p)]


class KmeansResult(ctypes.Structure):
    _fields_ = [("k", ctypes.c_int32), ("columns", ctypes.c_int32),
                ("centres", ctypes.POINTER(ctypes.c_double)),
                ("sizes", ctypes.POINTER(ctypes.c_int64)), ("inertia", ctypes.c_double),
                ("iterations", ctypes.c_int32), ("converged", ctypes.c_int32),
                ("best_run", ctypes.c_int32), ("near_ties", ctypes.c_double)]


INIT_KMEANSPP, INIT_CENTRES = 0, 2


class Engine:
    def __init__(self, library, threads):
        self.shared_object = ctypes.CDLL(library)
        self.shared_object.spot_kmeans_defaults.restype = KmeansOptions
        self.shared_object.spot_kmeans_result.restype = ctypes.POINTER(KmeansResult)
        self.shared_object.spot_kmeans_result.argtypes = [ctypes.c_void_p]
        self.shared_object.spot_kmeans_free.argtypes = [ctypes.c_void_p]
        self.error = Error()
        self.engine = ctypes.c_void_p()
        options = EngineOptions(device=b"cpu", threads=threads)
        self.check(self.shared_object.spot_engine_open(ctypes.byref(options),
                                                       ctypes.byref(self.engine),
                                                       ctypes.byref(self.error)))

    def check(self, status):
        if status < 0:
            raise RuntimeError(self.error.message.decode())

    def kmeans(self, x, start, k, max_iter, tol, seed):
        """Fits float32 rows and labels them, as the peers do; centres (k, d) and what was found."""
        x = numpy.ascontiguousarray(x, dtype=numpy.float32)
        labels = numpy.empty(len(x), dtype=numpy.int32)
        matrix = Matrix(x.ctypes.data, None, len(x), x.shape[1])
        options = self.shared_object.spot_kmeans_defaults()
        options.k, options.n_init, options.max_iter = k, 1, max_iter
        options.tol, options.seed, options.init = tol, seed, INIT_KMEANSPP
        if start is not None:
            start = numpy.ascontiguousarray(start, dtype=numpy.float64)
            options.init, options.centres = INIT_CENTRES, start.ctypes.data
        model = ctypes.c_void_p()
        error = ctypes.byref(self.error)
        self.check(self.shared_object.spot_kmeans_fit(self.engine, ctypes.byref(matrix),
                                                ctypes.byref(options), ctypes.byref(model), error))
        self.check(self.shared_object.spot_kmeans_assign(self.engine, model, ctypes.byref(matrix),
                                                   ctypes.c_void_p(labels.ctypes.data), None,
                                                   error))
        result = self.shared_object.spot_kmeans_result(model).contents
        centres = numpy.ctypeslib.as_array(result.centres, (k, x.shape[1])).copy()
        found = {"iterations": result.iterations, "near_ties": result.near_ties}
        self.shared_object.spot_kmeans_free(model)
        return centres, found
