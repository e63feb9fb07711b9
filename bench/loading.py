"""Opening large models: seconds, and peak memory seen from outside, beside the libraries themselves.

    python bench/loading.py PROGRAM LIBRARY FOLDER [MEGABYTES]

PROGRAM is build/blackspot, LIBRARY build/libblackspot.so. XGBoost trains a small model whose trees are
repeated until its JSON has that many megabytes (100 by default); blackspot converts it to the other
two formats. Each opening is a process of its own.
"""
import json
import pathlib
import subprocess
import sys

from measure import run_process
from table import table, three_digits

OURS = """import ctypes, json, sys, time
library = ctypes.CDLL(sys.argv[1])
forest, error = ctypes.c_void_p(), (ctypes.c_char * 4096)()
begin = time.perf_counter()
if library.spot_forest_load(sys.argv[2].encode(), ctypes.byref(forest), error) != 0:
    sys.exit("not opened")
print(json.dumps({"seconds": time.perf_counter() - begin}))
"""
XGBOOST = """import json, sys, time, xgboost
begin = time.perf_counter()
xgboost.Booster().load_model(sys.argv[2])
print(json.dumps({"seconds": time.perf_counter() - begin}))
"""
LIGHTGBM = """import json, sys, time, lightgbm
begin = time.perf_counter()
lightgbm.Booster(model_file=sys.argv[2])
print(json.dumps({"seconds": time.perf_counter() - begin}))
"""
NOTHING = "import json; print(json.dumps({'seconds': 0}))"


def make_models(program, folder, megabytes):
    import numpy as np
    import xgboost as xgb
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(20000, 28)).astype(np.float32)
    label = (rows[:, 0] * rows[:, 1] + rows[:, 2] + rng.normal(size=len(rows)) > 0).astype(int)
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 8, "nthread": 2},
                        xgb.DMatrix(rows, label), 40)
    path = folder / "repeated.json"
    booster.save_model(path)
    document = json.loads(path.read_text())
    model = document["learner"]["gradient_booster"]["model"]
    text = path.read_text()
    first = text.index('"trees":[') + len('"trees":[')
    last = text.rindex("]}", 0, text.index('"name":"gbtree"'))
    trees = text[first:last]
    copies = max(1, round(megabytes * 1e6 / len(trees)))
    count = copies * len(model["trees"])
    head, tail = text[:first], text[last:]
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
    for suffix in ("json", "ubj", "txt"):  # which also numbers the trees, as XGBoost wants it
        subprocess.run([program, "convert", path, folder / f"large.{suffix}"], check=True,
                       stdout=subprocess.DEVNULL)


def opening(code, library, path, repeats=3):
    runs = [run_process([sys.executable, "-c", code, library, str(path)]) for _ in range(repeats)]
    base = min(run_process([sys.executable, "-c", NOTHING])["peak_bytes"] for _ in range(2))
    return (min(run["answer"]["seconds"] for run in runs),
            max(run["peak_bytes"] for run in runs) - base)


def main():
    if sys.argv[1] == "make":
        make_models(sys.argv[2], pathlib.Path(sys.argv[3]), float(sys.argv[4]))
        return
    program, library, folder = sys.argv[1:4]
    folder = pathlib.Path(folder)
    megabytes = float(sys.argv[4]) if len(sys.argv) > 4 else 100
    if not (folder / "large.txt").exists():
        subprocess.run([sys.executable, __file__, "make", program, folder, str(megabytes)],
                       check=True)
    rows = []
    for suffix, peer, code in (("json", "XGBoost", XGBOOST), ("ubj", "XGBoost", XGBOOST),
                               ("txt", "LightGBM", LIGHTGBM)):
        path = folder / f"large.{suffix}"
        size = path.stat().st_size
        for name, how in (("blackspot", OURS), (peer, code)):
            seconds, peak = opening(how, library, path)
            rows.append([path.name, f"{size / 1e6:.0f} MB", name, three_digits(seconds),
                         three_digits(size / seconds / 1e6), f"{peak / 1e6:.0f} MB",
                         three_digits(peak / size)])
    print(table(["model", "size", "opened by", "seconds", "MB/s", "peak memory", "of the file"],
                rows))


if __name__ == "__main__":
    main()
