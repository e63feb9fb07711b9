"""Writes predictions.json: small predictions and what scikit-learn 1.9.1 says of them.

    python make_predictions.py > predictions.json

Values that scikit-learn calls undefined (NaN, or an error) are null. Average precision without
positive rows, which scikit-learn gives as 0, is null too: blackspot says that there are none.
"""

import json
import math
import sys
import warnings

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.calibration import calibration_curve

warnings.simplefilter("ignore")
rng = np.random.default_rng(20211)


def number(value):
    value = float(value)
    return value if math.isfinite(value) else None


def attempt(function, *args, **kwargs):
    try:
        return number(function(*args, **kwargs))
    except ValueError:
        return None


def calibration_error(hits, shares, weights):
    """Expected calibration error in ten bins, (i/10, (i+1)/10], of scikit-learn's curve."""
    bins = np.searchsorted(np.linspace(0.0, 1.0, 11)[1:-1], shares)
    weights = np.ones(len(shares)) if weights is None else weights
    error = 0.0
    for b in np.unique(bins):
        at = bins == b
        if weights[at].sum() == 0:
            continue
        error += abs((weights[at] * shares[at]).sum() - (weights[at] * hits[at]).sum())
    return number(error / weights.sum())


def of_labels(truth, labels, weights, classes):
    out = {
        "accuracy": number(metrics.accuracy_score(truth, labels, sample_weight=weights)),
        "balanced_accuracy": number(
            metrics.balanced_accuracy_score(truth, labels, sample_weight=weights)
        ),
    }
    for average in ("macro", "weighted"):
        p, r, f, _ = metrics.precision_recall_fscore_support(
            truth, labels, average=average, sample_weight=weights, zero_division=0
        )
        out |= {
            f"precision_{average}": number(p),
            f"recall_{average}": number(r),
            f"f1_{average}": number(f),
        }
    if classes == 2:
        p, r, f, _ = metrics.precision_recall_fscore_support(
            truth, labels, labels=[1], average=None, sample_weight=weights, zero_division=0
        )
        out |= {"precision": number(p[0]), "recall": number(r[0]), "f1": number(f[0])}
    return out


def best_f1(truth, scores, weights):
    if not (truth == 1).any():
        return None, None
    p, r, t = metrics.precision_recall_curve(truth, scores, sample_weight=weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        f = np.nan_to_num(2 * p * r / (p + r))[:-1]
    best = int(np.flatnonzero(f >= f.max() - 1e-12)[0])
    return number(f[best]), number(t[best])


def average_precision(truth, scores, weights):
    if not (truth == 1).any():
        return None
    return attempt(metrics.average_precision_score, truth, scores, sample_weight=weights)


def binary(name, truth, scores, weights=None, threshold=None):
    shares = scores.min() >= 0 and scores.max() <= 1
    used = threshold if threshold is not None else 0.5 if shares else 0.0
    labels = (scores >= used).astype(int)
    expected = of_labels(truth, labels, weights, 2)
    expected["threshold"] = used
    expected["roc_auc"] = attempt(metrics.roc_auc_score, truth, scores, sample_weight=weights)
    expected["pr_auc"] = average_precision(truth, scores, weights)
    expected["best_f1"], expected["best_threshold"] = best_f1(truth, scores, weights)
    expected |= {"log_loss": None, "brier": None, "calibration_error": None}
    if shares:
        expected["log_loss"] = number(
            metrics.log_loss(truth, scores, sample_weight=weights, labels=[0, 1])
        )
        expected["brier"] = number(
            metrics.brier_score_loss(truth, scores, sample_weight=weights, pos_label=1)
        )
        expected["calibration_error"] = calibration_error(truth, scores, weights)
        if weights is None:
            curve = calibration_curve(truth, scores, n_bins=10)
            expected_bins = [list(map(number, pair)) for pair in zip(*curve)]
    case = {
        "name": name,
        "classes": 2,
        "truth": truth.tolist(),
        "scores": scores.tolist(),
        "weights": None if weights is None else weights.tolist(),
        "threshold": threshold,
        "expected": expected,
        "confusion": metrics.confusion_matrix(
            truth, labels, labels=[0, 1], sample_weight=weights
        ).tolist(),
    }
    if shares and weights is None:
        case["bins"] = expected_bins
    return case


def several(name, truth, scores, weights=None, labels=None):
    classes = scores.shape[1] if scores is not None else int(max(truth.max(), labels.max())) + 1
    given = labels is not None
    if not given:
        labels = scores.argmax(axis=1)
    expected = of_labels(truth, labels, weights, classes)
    names = ["roc_auc_macro", "roc_auc_weighted", "pr_auc_macro", "pr_auc_weighted"]
    expected |= dict.fromkeys([*names, "log_loss", "brier", "calibration_error"])
    by_class = {}
    if scores is not None:
        everything = list(range(classes))
        onehot = np.eye(classes, dtype=int)[truth]
        whole = {"labels": everything, "sample_weight": weights}
        for average in ("macro", "weighted"):
            expected[f"roc_auc_{average}"] = attempt(
                metrics.roc_auc_score, truth, scores, multi_class="ovr", average=average, **whole
            )
        areas = [average_precision(onehot[:, c], scores[:, c], weights) for c in everything]
        by_class["pr_auc"] = areas
        by_class["roc_auc"] = [
            attempt(metrics.roc_auc_score, onehot[:, c], scores[:, c], sample_weight=weights)
            for c in everything
        ]
        if None not in areas:
            expected["pr_auc_macro"] = attempt(
                metrics.average_precision_score, onehot, scores, sample_weight=weights
            )
        expected["pr_auc_weighted"] = attempt(
            metrics.average_precision_score,
            onehot,
            scores,
            average="weighted",
            sample_weight=weights,
        )
        expected["log_loss"] = attempt(metrics.log_loss, truth, scores, **whole)
        expected["brier"] = attempt(metrics.brier_score_loss, truth, scores, **whole)
        expected["calibration_error"] = calibration_error(
            (truth == labels).astype(int), scores[np.arange(len(truth)), labels], weights
        )
    p, r, f, s = metrics.precision_recall_fscore_support(
        truth, labels, labels=range(classes), sample_weight=weights, zero_division=0
    )
    present = np.isin(np.arange(classes), np.concatenate([truth, labels]))
    for key, values in (("precision", p), ("recall", r), ("f1", f)):
        by_class[key] = [number(v) if there else None for v, there in zip(values, present)]
    return {
        "name": name,
        "classes": classes,
        "truth": truth.tolist(),
        "scores": None if scores is None else scores.tolist(),
        "labels": labels.tolist() if given else None,
        "weights": None if weights is None else weights.tolist(),
        "expected": expected,
        "by_class": by_class,
        "confusion": metrics.confusion_matrix(
            truth, labels, labels=range(classes), sample_weight=weights
        ).tolist(),
    }


def regression(name, truth, predicted, weights=None):
    return {
        "name": name,
        "classes": 0,
        "target": truth.tolist(),
        "scores": predicted.tolist(),
        "weights": None if weights is None else weights.tolist(),
        "expected": {
            "rmse": number(
                metrics.root_mean_squared_error(truth, predicted, sample_weight=weights)
            ),
            "mae": number(metrics.mean_absolute_error(truth, predicted, sample_weight=weights)),
            "r2": attempt(metrics.r2_score, truth, predicted, sample_weight=weights),
        },
    }


def agreement(name, a, b):
    return {
        "name": name,
        "a": a.tolist(),
        "b": b.tolist(),
        "ari": number(metrics.adjusted_rand_score(a, b)),
        "nmi": number(metrics.normalized_mutual_info_score(a, b)),
    }


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def make_cases():
    n = 120
    truth = rng.integers(0, 2, n)
    shares = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2, n), 0, 1)
    weights = rng.gamma(1.0, size=n)
    some = np.where(rng.random(n) < 0.3, 0.0, weights)
    coarse = np.round(shares, 1)
    yield binary("shares", truth, shares)
    yield binary("weights", truth, shares, weights)
    yield binary("weights_of_zero", truth, coarse, some)
    yield binary("ties", truth, coarse)
    yield binary("threshold", truth, shares, weights, threshold=0.3)
    yield binary("threshold_above_all", truth, shares, threshold=1.5)
    yield binary("constant", truth, np.full(n, 0.5))
    yield binary("certain", truth, truth.astype(float))
    yield binary("certainly_wrong", truth, 1.0 - truth)
    yield binary("margins", truth, np.round(rng.normal(truth, 1.5), 2), weights)
    yield binary("negatives_alone", np.zeros(9, int), shares[:9])
    yield binary("positives_alone", np.ones(9, int), shares[:9])
    yield binary("one_row", np.array([1]), np.array([0.7]))
    yield binary("rare", (np.arange(n) == 77).astype(int), shares)

    truth = rng.integers(0, 4, n)
    scores = softmax(rng.normal(size=(n, 4)) + 1.2 * np.eye(4)[truth])
    yield several("four_classes", truth, scores)
    yield several("four_classes_weights", truth, scores, weights)
    yield several("four_classes_weights_of_zero", truth, scores, some)
    rounded = np.round(scores * 8)
    yield several("four_classes_ties", truth, rounded / rounded.sum(axis=1, keepdims=True))
    yield several("class_without_rows", np.where(truth == 3, 0, truth), scores, weights)
    never = scores * np.array([1, 1, 1, 1e-6])
    yield several("class_never_met", np.where(truth == 3, 1, truth), never / never.sum(1)[:, None])
    yield several("class_alone", np.full(9, 2), scores[:9])
    yield several("one_row_of_three", np.array([1]), softmax(scores[:1, :3]))
    yield several("labels_alone", truth, None, weights, labels=rng.integers(0, 5, n))

    target = rng.normal(50, 10, n)
    predicted = target + rng.normal(0, 4, n)
    yield regression("values", target, predicted)
    yield regression("values_weights", target, predicted, weights)
    yield regression("far_from_zero", 1e9 + target, 1e9 + predicted, weights)
    yield regression("constant_target", np.full(n, 0.1), predicted, weights)
    yield regression("constant_met", np.full(n, 0.1), np.full(n, 0.1), weights)
    yield regression("constant_prediction", target, np.full(n, 50.0))
    yield regression("one_value", target[:1], predicted[:1])


def make_agreements():
    n = 200
    a = rng.integers(0, 5, n)
    near = np.where(rng.random(n) < 0.7, a, rng.integers(0, 5, n))
    yield agreement("near", a, near)
    yield agreement("by_chance", a, rng.integers(0, 3, n))
    yield agreement("renamed", a, 4 - a)
    yield agreement("one_cluster", a, np.zeros(n, int))
    yield agreement("both_one_cluster", np.zeros(n, int), np.zeros(n, int))
    yield agreement("all_apart", np.arange(30), np.arange(30)[::-1])
    yield agreement("finer", a, a * 2 + rng.integers(0, 2, n))
    yield agreement("one_row", np.zeros(1, int), np.zeros(1, int))


made = {
    "made_by": f"make_predictions.py, scikit-learn {sklearn.__version__}",
    "cases": list(make_cases()),
    "agreements": list(make_agreements()),
}
json.dump(made, sys.stdout, indent=None, separators=(",", ":"))
print()
