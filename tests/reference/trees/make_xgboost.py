"""Makes models with XGBoost and what they predict, for tests/test_xgboost.c.

    python make_xgboost.py FOLDER [CASE ...]
    python make_xgboost.py FOLDER again VERSION

Writes VERSION_CASE.json (and .ubj) and VERSION_CASE.npy, whose columns are the rows, then each row's
margins, values and leaves, all float32, and adds the case to FOLDER/cases.json. The cases here were made with XGBoost 1.0.2, 1.3.3, 1.7.6, 2.1.4 and
3.2.0 (numpy below 2 for the old ones). XGBoost 1.0 added up a tree's leaves before the base score, so
its models were predicted again by 3.2.0: the second form.
"""
import json
import pathlib
import sys

import numpy as np
import xgboost as xgb

ROWS, COLUMNS = 160, 6
VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
rng = np.random.default_rng(7)


def make_rows():
    rows = rng.normal(size=(600, COLUMNS)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def on_thresholds(rows, model):
    """Rows on the model's thresholds, one unit beside them, and with odd values."""
    rows = rows[:ROWS].copy()
    booster = model["learner"]["gradient_booster"]
    for tree in booster.get("gbtree", booster)["model"]["trees"]:
        for child, threshold, feature, kind in zip(
                tree["left_children"], tree["split_conditions"], tree["split_indices"],
                tree.get("split_type", [0] * len(tree["left_children"]))):
            if child < 0 or kind == 1:
                continue
            at = rng.integers(0, ROWS, 3)
            threshold = np.float32(threshold)
            rows[at, feature] = [threshold, np.nextafter(threshold, np.float32(np.inf)),
                                 np.nextafter(threshold, np.float32(-np.inf))]
    for value in (3e38, -3e38, -0.0, 0.0, 1e-42, -1e-42):
        rows[rng.integers(0, ROWS, 6), rng.integers(2, COLUMNS, 6)] = value
    return rows


def targets(rows):
    seen = np.nan_to_num(rows)
    signal = seen[:, 0] + 2 * seen[:, 1] * seen[:, 2] - seen[:, 3]
    return signal


def categorical(rows):
    rows = rows.copy()
    rows[:, 0] = rng.integers(0, 45, len(rows))
    rows[:, 1] = rng.integers(0, 5, len(rows))
    rows[rng.random(len(rows)) < 0.1, 1] = np.nan
    return rows


def cases():
    """name: (oldest version, parameters, target of the signal, matrix arguments, rounds)"""
    plain = (1, 0)
    binary = lambda s: (s > 0).astype(int)
    positive = lambda s: np.abs(s) + 0.1
    several = lambda s: np.c_[s, -s, s * s]
    return {
        "logistic": (plain, {"objective": "binary:logistic"}, binary, {}, 6),
        "squared": (plain, {"objective": "reg:squarederror", "base_score": 0.25}, None, {}, 6),
        "poisson": (plain, {"objective": "count:poisson"}, lambda s: np.floor(positive(s)), {}, 4),
        "gamma": (plain, {"objective": "reg:gamma"}, positive, {}, 4),
        "tweedie": (plain, {"objective": "reg:tweedie"}, positive, {}, 4),
        "cox": (plain, {"objective": "survival:cox"}, positive, {}, 4),
        "hinge": (plain, {"objective": "binary:hinge"}, binary, {}, 4),
        "logitraw": (plain, {"objective": "binary:logitraw"}, binary, {}, 4),
        "rank": (plain, {"objective": "rank:pairwise"}, binary, {"group": 10}, 4),
        "softprob": (plain, {"objective": "multi:softprob", "num_class": 3},
                     lambda s: np.digitize(s, [-1, 1]), {}, 4),
        "dart": (plain, {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5},
                 binary, {}, 6),
        "random_forest": (plain, {"objective": "binary:logistic", "num_parallel_tree": 3,
                                  "subsample": 0.5, "eta": 1}, binary, {}, 2),
        "forest_of_classes": (plain, {"objective": "multi:softprob", "num_class": 3,
                                      "num_parallel_tree": 2, "subsample": 0.5},
                              lambda s: np.digitize(s, [-1, 1]), {}, 2),
        "lossguide": (plain, {"objective": "binary:logistic", "tree_method": "hist",
                              "grow_policy": "lossguide", "max_leaves": 30, "max_depth": 0},
                      binary, {}, 3),
        "early_stop": (plain, {"objective": "reg:squarederror", "eta": 1}, None, {"stop": 2}, 30),
        "names": (plain, {"objective": "reg:squarederror"}, None,
                  {"feature_names": ["Zeit", "Länge \"x\"", "a\\b", "d/e", "\U0001f697", "f"]}, 2),
        "onehot": ((1, 7), {"objective": "binary:logistic", "max_cat_to_onehot": 100,
                            "tree_method": "hist"}, binary, {"categories": True}, 6),
        "categories": ((1, 7), {"objective": "binary:logistic", "max_cat_to_onehot": 2,
                                "tree_method": "hist"}, binary, {"categories": True}, 6),
        "targets": ((1, 7), {"objective": "reg:squarederror"}, several, {}, 3),
        "vector_leaves": ((2, 1), {"objective": "reg:squarederror", "tree_method": "hist",
                                   "multi_strategy": "multi_output_tree"}, several, {}, 3),
        "quantiles": ((2, 1), {"objective": "reg:quantileerror",
                               "quantile_alpha": np.array([0.1, 0.5, 0.9])}, None, {}, 3),
        "absolute": ((1, 7), {"objective": "reg:absoluteerror"}, None, {}, 4),
        "cats": ((3, 1), {"objective": "binary:logistic", "max_cat_to_onehot": 2,
                          "tree_method": "hist"}, binary, {"categories": True, "names": True}, 4),
        "share": (plain, {"objective": "reg:logistic"}, binary, {}, 3),
        "aft": ((1, 2), {"objective": "survival:aft"}, None, {"bounds": positive}, 3),
        "huber": ((1, 0), {"objective": "reg:pseudohubererror"}, None, {}, 3),
        "squaredlog": ((1, 1), {"objective": "reg:squaredlogerror"}, positive, {}, 3),
        "ndcg": (plain, {"objective": "rank:ndcg"}, binary, {"group": 10}, 3),
    }


def named(rows):
    """Columns 0 and 1 as pandas' categories, with texts for names and with numbers."""
    import pandas as pd
    frame = pd.DataFrame(rows, columns=list("abcdef"))
    for column, names in (("a", [f"{i:02} Straße" for i in range(45)]), ("b", [10, 20, 30, 40, 50])):
        codes = frame[column].fillna(-1).astype(int)
        frame[column] = pd.Categorical.from_codes(codes, names)
    return frame


def make(folder, name, parameters, target, arguments, rounds):
    rows = make_rows()
    arguments = dict(arguments)
    stop = arguments.pop("stop", 0)
    group = arguments.pop("group", 0)
    names, bounds = arguments.pop("names", False), arguments.pop("bounds", None)
    if arguments.pop("categories", False):
        rows = categorical(rows)
        arguments["feature_types"] = ["c", "c"] + ["q"] * (COLUMNS - 2)
        arguments["enable_categorical"] = True
    signal = targets(rows)
    if names:
        arguments.pop("feature_types")
    data = xgb.DMatrix(named(rows) if names else rows, target(signal) if target else signal,
                       **arguments)
    if bounds:
        data.set_float_info("label_lower_bound", bounds(signal))
        data.set_float_info("label_upper_bound", bounds(signal) + 1)
    if group:
        data.set_group([group] * (len(rows) // group))
    extra = {}
    if stop:
        extra = {"evals": [(xgb.DMatrix(make_rows(), signal), "v")], "verbose_eval": False,
                 "early_stopping_rounds": stop}
    booster = xgb.train({"max_depth": 3, "seed": 1, **parameters}, data, rounds, **extra)
    stem = f"{xgb.__version__}_{name}"
    booster.save_model(folder / f"{stem}.json")
    model = json.loads((folder / f"{stem}.json").read_text())
    (folder / f"{stem}.json").write_text(json.dumps(model) if name == "names"
                                         else (folder / f"{stem}.json").read_text())
    binary = VERSION >= (1, 6)
    if binary:
        booster.save_model(folder / f"{stem}.ubj")
    rows = on_thresholds(rows, model)
    arguments.pop("enable_categorical", None)
    if "feature_types" in arguments:
        arguments["enable_categorical"] = True
        rows[:5, 0] = [44, 45, 1000, -1, np.nan]
    if names:
        arguments["enable_categorical"] = True
    data = xgb.DMatrix(named(rows) if names else rows, **arguments)
    used = {}
    if stop:
        last = booster.best_iteration + 1
        used = {"iteration_range": (0, last)} if VERSION >= (1, 4) else {"ntree_limit": last}
    margin = booster.predict(data, output_margin=True, **used)
    value = booster.predict(data, **used)
    leaf = booster.predict(data, pred_leaf=True, **used)
    parts = [np.asarray(part, np.float32).reshape(ROWS, -1) for part in (rows, margin, value, leaf)]
    np.save(folder / f"{stem}.npy", np.hstack(parts))
    return {"name": stem, "binary": binary, "outputs": parts[1].shape[1],
            "trees": parts[3].shape[1]}


def predict_again(folder, case):
    booster = xgb.Booster(model_file=folder / f"{case['name']}.json")
    table = np.load(folder / f"{case['name']}.npy")
    data = xgb.DMatrix(table[:, :COLUMNS])
    last = int(booster.attr("best_iteration") or -1) + 1
    used = {"iteration_range": (0, last)}
    parts = [table[:, :COLUMNS], booster.predict(data, output_margin=True, **used),
             booster.predict(data, **used), booster.predict(data, pred_leaf=True, **used)]
    np.save(folder / f"{case['name']}.npy", np.hstack([np.asarray(part, np.float32).reshape(
        ROWS, -1) for part in parts]))


def main():
    folder = pathlib.Path(sys.argv[1])
    wanted = sys.argv[2:]
    if wanted[:1] == ["again"]:
        for case in json.loads((folder / "cases.json").read_text()):
            if case["name"].startswith(wanted[1] + "_"):
                predict_again(folder, case)
        return
    listing = folder / "cases.json"
    made = json.loads(listing.read_text()) if listing.exists() else []
    for name, (oldest, parameters, target, arguments, rounds) in cases().items():
        if VERSION < oldest or (wanted and name not in wanted):
            continue
        case = make(folder, name, parameters, target, arguments, rounds)
        made = [other for other in made if other["name"] != case["name"]] + [case]
    listing.write_text("[\n" + ",\n".join(json.dumps(case) for case in made) + "\n]\n")


if __name__ == "__main__":
    main()
