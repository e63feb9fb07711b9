"""Writes severity.csv: what scikit-learn says of XGBoost's predictions of the French test year.

    python make_severity.py > severity.csv        (xgboost 3.2, pandas, scikit-learn 1.9.1)
"""

import pathlib

import numpy as np
import pandas
import xgboost
from sklearn import metrics

data = pathlib.Path(__file__).parents[3] / "data" / "fr-baac-2021"
booster = xgboost.Booster(model_file=data / "severity.json")
rows = pandas.read_csv(data / "X_test.csv.gz").drop(columns="year_acc")
truth = pandas.read_csv(data / "y_test.csv")["grav"].to_numpy()
shares = booster.predict(xgboost.DMatrix(rows)).astype(np.float64)
labels = (shares >= 0.5).astype(int)

precision, recall, thresholds = metrics.precision_recall_curve(truth, shares)
f1 = (2 * precision * recall / (precision + recall))[:-1]
found = {
    "accuracy": metrics.accuracy_score(truth, labels),
    "balanced_accuracy": metrics.balanced_accuracy_score(truth, labels),
    "precision": metrics.precision_score(truth, labels),
    "recall": metrics.recall_score(truth, labels),
    "f1": metrics.f1_score(truth, labels),
    "f1_macro": metrics.f1_score(truth, labels, average="macro"),
    "f1_weighted": metrics.f1_score(truth, labels, average="weighted"),
    "roc_auc": metrics.roc_auc_score(truth, shares),
    "pr_auc": metrics.average_precision_score(truth, shares),
    "log_loss": metrics.log_loss(truth, shares),
    "brier": metrics.brier_score_loss(truth, shares),
    "best_threshold": thresholds[f1.argmax()],
    "best_f1": f1.max(),
}
for name, value in found.items():
    print(f"{name},{float(value)!r}")
