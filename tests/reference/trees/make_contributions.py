"""Contributions by XGBoost 3.2.0 and LightGBM 4.7.0 for the models of make_xgboost.py and
make_lightgbm.py, for tests/test_contributions.c.

    python make_contributions.py FOLDER

FOLDER has xgboost/ and lightgbm/; for each case of cases.json there whose model its library
explains, contributions/CASE.npy is written: ROWS rows of (outputs, features + 1) values, the bias
last.
"""
import json
import pathlib
import sys

import lightgbm
import numpy as np
import xgboost

ROWS, COLUMNS = 48, 6


def of_xgboost(folder, case):
    booster = xgboost.Booster(model_file=folder / f"{case['name']}.json")
    rows = np.load(folder / f"{case['name']}.npy")[:ROWS, :COLUMNS]
    types = booster.feature_types
    data = xgboost.DMatrix(rows, feature_types=types, feature_names=booster.feature_names,
                           enable_categorical=bool(types and "c" in types))
    last = int(booster.attr("best_iteration") or -1) + 1
    return booster.predict(data, pred_contribs=True, iteration_range=(0, last), strict_shape=True)


def of_lightgbm(folder, case):
    booster = lightgbm.Booster(model_file=folder / f"{case['name']}.txt")
    rows = np.load(folder / f"{case['name']}.npy")[:ROWS, :COLUMNS]
    return booster.predict(rows, pred_contrib=True)


def main():
    root = pathlib.Path(sys.argv[1])
    (root / "contributions").mkdir(exist_ok=True)
    for library, explain in (("xgboost", of_xgboost), ("lightgbm", of_lightgbm)):
        for case in json.loads((root / library / "cases.json").read_text()):
            if not case["name"].startswith(("3.2.0", "4.7.0")):
                continue
            try:
                values = np.asarray(explain(root / library, case))
            except (xgboost.core.XGBoostError, lightgbm.basic.LightGBMError) as error:
                print(case["name"], str(error).splitlines()[-1])
                continue
            np.save(root / "contributions" / f"{case['name']}.npy", values.reshape(len(values), -1))


if __name__ == "__main__":
    main()
