"""Lets XGBoost and LightGBM open what blackspot writes, and compares their predictions.

    python compare_written.py write BLACKSPOT FOLDER     (needs LightGBM)
    python compare_written.py xgboost FOLDER
    python compare_written.py lightgbm FOLDER

The first converts every case here to all three formats and keeps what is expected of them; the
others are run with any version of the two libraries (numpy below 2 for the old ones).
"""
import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np

HERE = pathlib.Path(__file__).parent
COLUMNS = 6
warnings.simplefilter("ignore")


def cases():
    for library in ("xgboost", "lightgbm"):
        for case in json.loads((HERE / library / "cases.json").read_text()):
            yield library, case


def agreed_rows(rows):
    """Float32 rows whose values mean the same to both: nothing tiny or infinite."""
    rows = rows.astype(np.float32).astype(float)
    odd = np.isinf(rows) | ((np.abs(rows) <= 1e-35) & (rows != 0))
    return rows[~odd.any(axis=1)]


def expected(library, case):
    table = np.load(HERE / library / f"{case['name']}.npy").astype(float)
    rows, outputs = table[:, :COLUMNS], case["outputs"]
    margins, values = (table[:, first:first + outputs]
                       for first in (COLUMNS, COLUMNS + outputs))
    return rows, margins, values


def write(program, folder):
    import lightgbm as lgb
    for library, case in cases():
        source = HERE / library / f"{case['name']}.{'json' if library == 'xgboost' else 'txt'}"
        stem = f"{library}_{case['name']}"
        for suffix in ("json", "ubj", "txt"):
            done = subprocess.run([program, "convert", source, folder / f"{stem}.{suffix}"],
                                  capture_output=True, text=True)
            if done.returncode:
                print(stem, suffix, done.stderr.strip())
        rows, margins, values = expected(library, case)
        if library == "lightgbm":
            model = lgb.Booster(model_file=source)
            rows = agreed_rows(rows)
            margins, values = model.predict(rows, raw_score=True), model.predict(rows)
        np.savez(folder / f"{stem}.npz", rows=rows, margins=np.reshape(margins, (len(rows), -1)),
                 values=np.reshape(values, (len(rows), -1)))


def predict_xgboost(path, rows):
    import xgboost as xgb
    model = xgb.Booster(model_file=str(path))
    names = getattr(model, "feature_names", None)
    types = getattr(model, "feature_types", None)
    extra = {"feature_types": types, "enable_categorical": True} if types and "c" in types else {}
    data = xgb.DMatrix(rows.astype(np.float32), feature_names=names, **extra)
    used, last = {}, model.attr("best_iteration")
    if last is not None and hasattr(model, "num_boosted_rounds"):
        used = {"iteration_range": (0, int(last) + 1)}
    return model.predict(data, output_margin=True, **used), model.predict(data, **used)


def predict_lightgbm(path, rows):
    import lightgbm as lgb
    model = lgb.Booster(model_file=str(path))
    return model.predict(rows, raw_score=True), model.predict(rows)


def compare(library, folder):
    predict = predict_xgboost if library == "xgboost" else predict_lightgbm
    good = bad = 0
    for suffix in ("json", "ubj") if library == "xgboost" else ("txt",):
        for path in sorted(folder.glob(f"*.{suffix}")):
            kept = np.load(path.with_suffix("").parent / f"{path.name[:-len(suffix)]}npz")
            rows, margins, values = kept["rows"], kept["margins"], kept["values"]
            same = path.name.startswith(library)
            averaged = not same and "random_forest" in path.name
            try:
                margin, value = (np.reshape(part, margins.shape) for part in predict(path, rows))
            except Exception as error:
                bad += 1
                print(path.name, str(error).splitlines()[0][-120:])
                continue
            worst = [np.abs(a - b).max() / max(1, np.abs(b).max())
                     for a, b in ((margin, margins), (value, values))]
            if averaged:
                worst[0] = 0
            fine = worst[0] <= (0 if same else 2e-6) and worst[1] <= 2e-6
            good, bad = good + fine, bad + (not fine)
            if not fine:
                print(path.name, "margins", worst[0], "values", worst[1])
    print(f"{good} equal, {bad} not")


def main():
    if sys.argv[1] == "write":
        write(sys.argv[2], pathlib.Path(sys.argv[3]))
    else:
        compare(sys.argv[1], pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    main()
