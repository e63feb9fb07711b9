"""Models of XGBoost 3.2.0 and LightGBM 4.7.0 that name their categories, and what they predict, for
tests/e2e_categories.sh.

    python make_categories.py FOLDER

Writes FOLDER/xgboost.json, lightgbm.txt and rows.csv: the table, and each library's margin in float64.
(XGBoost takes categories of texts and whole numbers alone, and cuts those beyond ASCII short.)
"""
import pathlib
import sys

import lightgbm
import numpy as np
import pandas
import xgboost

folder = pathlib.Path(sys.argv[1])
folder.mkdir(exist_ok=True)
rng = np.random.default_rng(1)
rows = pandas.DataFrame({
    "x": rng.normal(size=400),
    "colour": pandas.Categorical(rng.choice(["red", "green", "blue, dark"], 400)),
    "code": pandas.Categorical(rng.choice([3, 7, 11], 400)),
    "y": rng.normal(size=400)})
rows.loc[rng.random(400) < 0.1, "colour"] = None
target = (rows["x"] + (rows["colour"] == "red") * 2 + (rows["code"] == 7) > 0.5).astype(int)
data = xgboost.DMatrix(rows, target, enable_categorical=True)
model = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "max_cat_to_onehot": 2}, data, 4)
model.save_model(folder / "xgboost.json")
of_xgboost = model.predict(data, output_margin=True).astype(float)

rows["share"] = pandas.Categorical(rng.choice([0.5, 1.5, 2.0], 400))
rows["flag"] = pandas.Categorical(rng.choice([True, False], 400))
target = (target + (rows["flag"] == True) + (rows["share"] == 2.0) > 1).astype(int)  # noqa: E712
model = lightgbm.train({"verbose": -1, "objective": "binary", "min_data_per_group": 5},
                       lightgbm.Dataset(rows, target), 4)
model.save_model(folder / "lightgbm.txt")
rows["of_lightgbm"] = model.predict(rows, raw_score=True)
rows["of_xgboost"] = of_xgboost
rows.head(60).to_csv(folder / "rows.csv", index=False)
