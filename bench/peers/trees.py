"""Boosted trees, as peers/worker.py serves them: `trees.py make FOLDER QUICK` trains the models of
bench/trees.py and draws the rows; `trees.py LIBRARY THREADS [libblackspot.so]` scores them."""
import os
import sys
import time

import numpy
import worker

COLUMNS = 28


def draw(rows, seed):
    rng = numpy.random.default_rng(seed)
    x = rng.normal(size=(rows, COLUMNS)).astype(numpy.float32)
    x[rng.random(x.shape) < 0.02] = numpy.nan
    z = numpy.nan_to_num(x)
    signal = z[:, 0] * z[:, 1] + z[:, 2] - z[:, 3] ** 2 + 0.3 * z[:, 4:20].sum(axis=1)
    return x, signal + rng.normal(size=rows)


def make(folder, quick):
    import lightgbm
    import xgboost
    x, signal = draw(5000 if quick else 100000, 0)
    binary = (signal > 0).astype(int)
    classes = numpy.digitize(signal, [-3, -1, 0.5, 2])
    few = 10 if quick else 1
    deep = {"objective": "binary:logistic", "max_depth": 8, "tree_method": "hist"}
    plain = {"objective": "binary:logistic", "max_depth": 6, "tree_method": "hist"}
    several = {"objective": "multi:softprob", "num_class": 5, "max_depth": 6}
    for name, parameters, target, rounds in (
            ("xgboost-100.json", plain, binary, 100 // few),
            ("xgboost-1000.json", deep, binary, 1000 // few),
            ("xgboost-classes.json", several, classes, 100 // few)):
        matrix = xgboost.DMatrix(x, target)
        xgboost.train({"nthread": 2, **parameters}, matrix, rounds).save_model(
            os.path.join(folder, name))
    leaves = {"objective": "binary", "num_leaves": 255, "verbose": -1, "num_threads": 2}
    lightgbm.train(leaves, lightgbm.Dataset(x.astype(numpy.float64), binary),
                   100 // few).save_model(os.path.join(folder, "lightgbm-255.txt"))
    numpy.save(os.path.join(folder, "trees.npy"), draw(8000 if quick else 400000, 1)[0])


class Blackspot:
    def __init__(self):
        self.engine = worker.blackspot_engine(sys.argv[3], int(sys.argv[2]))

    def open(self, path):
        return self.engine.forest(path).margins


class Xgboost:
    def open(self, path):
        import xgboost
        model = xgboost.Booster(model_file=path)
        model.set_param({"nthread": int(sys.argv[2])})
        return lambda x: model.inplace_predict(x, predict_type="margin")


class Lightgbm:
    def open(self, path):
        import lightgbm
        model = lightgbm.Booster(model_file=path)
        return lambda x: model.predict(x, raw_score=True, num_threads=int(sys.argv[2]))


class Onedal:
    """Through daal4py's builders of models, which take both libraries'."""

    def open(self, path):
        import daal4py
        import lightgbm
        import xgboost
        read = lightgbm.Booster if path.endswith(".txt") else xgboost.Booster
        daal4py.daalinit(int(sys.argv[2]))
        return daal4py.mb.convert_model(read(model_file=path)).predict


class Tl2cgen:
    """Made into C, which a compiler then takes a while for."""

    def open(self, path):
        import tl2cgen
        import treelite
        answers = os.dup(1)
        os.dup2(2, 1)  # it talks on standard output
        try:
            model = treelite.frontend.load_xgboost_model(path)
            library = path + ".so"
            tl2cgen.export_lib(model, toolchain="gcc", libpath=library,
                               params={"parallel_comp": 2})
            predictor = tl2cgen.Predictor(library, nthread=int(sys.argv[2]))
        finally:
            os.dup2(answers, 1)
            os.close(answers)
        return lambda x: predictor.predict(tl2cgen.DMatrix(x), pred_margin=True)


LIBRARIES = {"blackspot": Blackspot, "xgboost": Xgboost, "lightgbm": Lightgbm, "oneDAL": Onedal,
             "tl2cgen": Tl2cgen}


def main():
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3] == "quick")
        return
    library, opened = LIBRARIES[sys.argv[1]](), {}

    def score(request):
        """The least of several calls on the first rows; saves or compares the margins."""
        rows = numpy.load(request["rows"], mmap_mode="r")[:request["count"]]
        rows = numpy.array(rows, numpy.float64 if request["doubles"] else numpy.float32)
        if request["model"] not in opened:
            opened[request["model"]] = library.open(request["model"])
        margins = opened[request["model"]]
        found = numpy.asarray(margins(rows)).reshape(len(rows), -1)
        seconds = []
        begin = time.perf_counter()
        while len(seconds) < 2 or time.perf_counter() - begin < request["seconds"]:
            start = time.perf_counter()
            margins(rows)
            seconds.append(time.perf_counter() - start)
        if sys.argv[1] == "blackspot":
            numpy.save(request["kept"], found)
        if not request["compared"]:
            return {"seconds": min(seconds), "equal": True}
        ours = numpy.load(request["kept"])[:len(found)]
        same = numpy.array_equal(found.astype(numpy.float64), ours)
        return {"seconds": min(seconds), "equal": bool(same)}

    worker.serve({"score": score})


if __name__ == "__main__":
    main()
