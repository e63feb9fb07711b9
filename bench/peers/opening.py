"""Opens a model once: `opening.py blackspot|xgboost|lightgbm LIBRARY [MODEL]` prints the seconds;
without MODEL nothing is opened, which tells what memory a process has anyway.
`opening.py make FILE MEGABYTES` writes an XGBoost model of that size."""
import ctypes
import json
import pathlib
import sys
import time


def make(path, megabytes):
    """Trees of a small model, repeated as text: training as many would take an hour."""
    import numpy as np
    import xgboost as xgb
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(20000, 28)).astype(np.float32)
    label = (rows[:, 0] * rows[:, 1] + rows[:, 2] + rng.normal(size=len(rows)) > 0).astype(int)
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 8, "nthread": 2},
                        xgb.DMatrix(rows, label), 40)
    booster.save_model(path)
    text = pathlib.Path(path).read_text()
    model = json.loads(text)["learner"]["gradient_booster"]["model"]
    first = text.index('"trees":[') + len('"trees":[')
    last = text.rindex("]}", 0, text.index('"name":"gbtree"'))
    trees, head, tail = text[first:last], text[:first], text[last:]
    copies = max(1, round(megabytes * 1e6 / len(trees)))
    count = copies * len(model["trees"])
    head = head.replace(f'"num_trees":"{len(model["trees"])}"', f'"num_trees":"{count}"')
    for key, numbers in (("tree_info", [0] * count), ("iteration_indptr", range(count + 1))):
        start = head.index(f'"{key}":[')
        stop = head.index("]", start)
        head = head[:start] + f'"{key}":[' + ",".join(map(str, numbers)) + head[stop:]
    with open(path, "w") as file:
        file.write(head)
        for copy in range(copies):
            file.write(("," if copy else "") + trees)
        file.write(tail)


def opener(name, library):
    """Imports what opens a model, and returns it."""
    if name == "xgboost":
        import xgboost
        return lambda path: xgboost.Booster().load_model(path)
    if name == "lightgbm":
        import lightgbm
        return lambda path: lightgbm.Booster(model_file=path)
    ours = ctypes.CDLL(library)
    forest, error = ctypes.c_void_p(), (ctypes.c_char * 4096)()

    def opened(path):
        if ours.spot_forest_load(path.encode(), ctypes.byref(forest), error) != 0:
            sys.exit(f"{path} was not opened")
    return opened


def main():
    if sys.argv[1] == "make":
        make(sys.argv[2], float(sys.argv[3]))
        return
    opened = opener(sys.argv[1], sys.argv[2])
    begin = time.perf_counter()
    if len(sys.argv) > 3:
        opened(sys.argv[3])
    print(json.dumps({"seconds": time.perf_counter() - begin}))


if __name__ == "__main__":
    main()
