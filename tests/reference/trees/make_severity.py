"""What XGBoost makes of the first rows of the French test table with data/fr-baac-2021/severity.json,
and of its features' importance, for tests/e2e_trees.sh; written by xgboost 3.2.0.

    python make_severity.py > severity.csv
    python make_severity.py importance > severity_importance.csv
"""
import pathlib
import sys

import pandas
import xgboost

data = pathlib.Path(__file__).parents[3] / "data/fr-baac-2021"
rows = pandas.read_csv(data / "X_test.csv.gz", nrows=200).drop(columns="year_acc")
model = xgboost.Booster(model_file=data / "severity.json")
if sys.argv[1:] == ["importance"]:
    parts = {name: model.get_score(importance_type=kind) for name, kind in
             (("splits", "weight"), ("gain", "total_gain"), ("cover", "total_cover"))}
    pandas.DataFrame(parts).rename_axis("feature").to_csv(sys.stdout)
    sys.exit()
matrix = xgboost.DMatrix(rows)
table = pandas.DataFrame({"margin": model.predict(matrix, output_margin=True).astype(float),
                          "proba": model.predict(matrix).astype(float)})
table["label"] = (table["margin"] > 0).astype(int)
leaves = model.predict(matrix, pred_leaf=True).astype(int)
table["first_leaf"], table["last_leaf"] = leaves[:, 0], leaves[:, -1]
contributions = model.predict(matrix, pred_contribs=True)
table["vma"] = contributions[:, rows.columns.get_loc("vma")].astype(float)  # the speed limit's
table["bias"] = contributions[:, -1].astype(float)
table.to_csv(sys.stdout, index=False)
