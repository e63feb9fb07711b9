"""Makes models with LightGBM and what they predict, for tests/test_lightgbm.c.

    python make_lightgbm.py FOLDER [CASE ...]

Writes VERSION_CASE.txt and VERSION_CASE.npy, whose columns are the rows, then each row's margins,
values and leaves, all float64, and adds the case to FOLDER/cases.json. The cases here were made with
LightGBM 3.3.5 and 4.7.0.
"""
import json
import pathlib
import sys

import lightgbm as lgb
import numpy as np

ROWS, COLUMNS = 160, 6
rng = np.random.default_rng(7)


def make_rows():
    rows = rng.normal(size=(600, COLUMNS))
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def on_thresholds(rows, model, infinite):
    """Rows on the model's thresholds, one unit beside them, and with odd values."""
    rows = rows[:ROWS].copy()
    for node in model.trees_to_dataframe().itertuples():
        if node.split_feature is None or node.decision_type != "<=":
            continue
        threshold, at = float(node.threshold), rng.integers(0, ROWS, 3)
        rows[at, model.feature_name().index(node.split_feature)] = [
            threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf)]
    odd = [0.0, -0.0, 1e-35, -1e-35, 2e-35, -1e-36, 1e-300, 3e38]
    for value in odd + ([np.inf, -np.inf] if infinite else []):
        rows[rng.integers(0, ROWS, 6), rng.integers(2, COLUMNS, 6)] = value
    return rows


def cases():
    """name: (parameters, target of the signal, dataset arguments, rounds)"""
    binary = lambda s: (s > 0).astype(int)
    positive = lambda s: np.abs(s) + 0.1
    classes = lambda s: np.digitize(s, [-1, 1])
    categories = {"categorical_feature": [0, 1]}
    return {
        "binary": ({"objective": "binary", "sigmoid": 1.5}, binary, {}, 6),
        "regression": ({"objective": "regression"}, None, {}, 6),
        "sqrt": ({"objective": "regression", "reg_sqrt": True}, None, {}, 4),
        "poisson": ({"objective": "poisson"}, lambda s: np.floor(positive(s)), {}, 4),
        "tweedie": ({"objective": "tweedie"}, positive, {}, 4),
        "quantile": ({"objective": "quantile"}, None, {}, 4),
        "cross_entropy": ({"objective": "cross_entropy"}, lambda s: binary(s) * 0.8, {}, 4),
        "cross_entropy_lambda": ({"objective": "cross_entropy_lambda"},
                                 lambda s: binary(s) * 0.8, {}, 4),
        "multiclass": ({"objective": "multiclass", "num_class": 3}, classes, {}, 3),
        "ova": ({"objective": "multiclassova", "num_class": 3}, classes, {}, 3),
        "rank": ({"objective": "lambdarank"}, binary, {"group": [10] * 60}, 4),
        "random_forest": ({"objective": "binary", "boosting": "rf", "bagging_freq": 1,
                           "bagging_fraction": 0.5}, binary, {}, 4),
        "dart": ({"objective": "binary", "boosting": "dart", "drop_rate": 0.5}, binary, {}, 6),
        "linear": ({"objective": "regression", "linear_tree": True}, None, {}, 4),
        "zero_as_missing": ({"objective": "binary", "zero_as_missing": True}, binary, {}, 4),
        "no_missing": ({"objective": "binary", "use_missing": False}, binary, {}, 4),
        "categories": ({"objective": "binary"}, binary, categories, 6),
        "categories_zero": ({"objective": "binary", "zero_as_missing": True}, binary, categories,
                            6),
        "leafwise": ({"objective": "binary", "num_leaves": 90, "min_data_in_leaf": 2}, binary, {},
                     3),
        "l1": ({"objective": "regression_l1"}, None, {}, 3),
        "huber": ({"objective": "huber"}, None, {}, 3),
        "fair": ({"objective": "fair"}, None, {}, 3),
        "mape": ({"objective": "mape"}, None, {}, 3),
        "gamma": ({"objective": "gamma"}, positive, {}, 3),
        "xendcg": ({"objective": "rank_xendcg"}, binary, {"group": [10] * 60}, 3),
        "custom": ({"objective": lambda score, data: (score - data.get_label(), score * 0 + 1)},
                   None, {}, 3),
        "pandas": ({"objective": "binary"}, binary, {"names": True}, 4),
        "constant": ({"objective": "regression"}, lambda s: s * 0 + 1, {}, 2),
    }


def named(rows):
    """Columns 0 and 1 as pandas' categories, with texts for names and with numbers."""
    import pandas as pd
    frame = pd.DataFrame(rows, columns=list("abcdef"))
    for column, names in (("a", [f"Straße {i}" for i in range(40)]), ("b", range(0, 1000, 10))):
        codes = frame[column].fillna(-1).astype(int)
        frame[column] = pd.Categorical.from_codes(codes, list(names))
    return frame


def make(folder, name, parameters, target, arguments, rounds):
    rows = make_rows()
    categorical = "categorical_feature" in arguments
    arguments = dict(arguments)
    names = arguments.pop("names", False)
    if categorical or names:
        rows[:, 0] = rng.integers(0, 40, len(rows))
        rows[:, 1] = rng.integers(0, 100, len(rows))
    seen = np.nan_to_num(rows)
    signal = seen[:, 0] + 2 * seen[:, 1] * seen[:, 2] - seen[:, 3]
    if names:
        rows[rng.random(len(rows)) < 0.1, 1] = np.nan
    data = lgb.Dataset(named(rows) if names else rows, target(signal) if target else signal,
                       **arguments)
    model = lgb.train({"verbose": -1, "num_leaves": 12, "min_data_per_group": 5, "seed": 1,
                       **parameters}, data, rounds)
    stem = f"{lgb.__version__}_{name}"
    model.save_model(folder / f"{stem}.txt")
    rows = on_thresholds(rows, model, name != "linear")
    if categorical:
        rows[:8, 0] = [-1, 1e9, 1e10, np.inf, -np.inf, 3.7, -0.5, np.nan]
    seen = named(rows) if names else rows
    parts = [rows] + [np.asarray(part, float).reshape(ROWS, -1) for part in (
        model.predict(seen, raw_score=True), model.predict(seen),
        model.predict(seen, pred_leaf=True))]
    np.save(folder / f"{stem}.npy", np.hstack(parts))
    return {"name": stem, "outputs": parts[1].shape[1], "trees": parts[3].shape[1]}


def main():
    folder = pathlib.Path(sys.argv[1])
    listing = folder / "cases.json"
    made = json.loads(listing.read_text()) if listing.exists() else []
    for name, case in cases().items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        case = make(folder, name, *case)
        made = [other for other in made if other["name"] != case["name"]] + [case]
    listing.write_text("[\n" + ",\n".join(json.dumps(case) for case in made) + "\n]\n")


if __name__ == "__main__":
    main()
