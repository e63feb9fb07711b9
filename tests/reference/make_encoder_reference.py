#!/usr/bin/env python3
"""Makes tests/reference/encoder: a table, and what pandas and scikit-learn 1.9 make of it.

    python tests/reference/make_encoder_reference.py

table.csv is read with config.yaml, which names the same features in the same order as here.
expected.json holds the fitted numbers and the encoded matrix as float64."""
import json
import os

import numpy
import pandas
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler,
                                   StandardScaler)

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "encoder")
ROWS = 307
random = numpy.random.default_rng(20151)


def with_gaps(values, share):
    values = pandas.Series(values)
    values[random.random(ROWS) < share] = None
    return values


def make_table():
    start = pandas.Timestamp("2011-12-25") + pandas.to_timedelta(
        random.integers(0, 5 * 366 * 86400, ROWS), unit="s")
    start = pandas.Series(start)
    start[0], start[1] = pandas.Timestamp("2012-02-29 23:59:59"), pandas.Timestamp("1969-12-31 23:00")
    end = start + pandas.to_timedelta(random.integers(0, 90000, ROWS), unit="s")
    letters = numpy.array(["wet", "dry", "ice", "Fog", "été", "a,b", "snow"], dtype=object)
    kind = random.choice(letters, ROWS, p=[0.35, 0.33, 0.15, 0.1, 0.04, 0.02, 0.01])
    return pandas.DataFrame({
        "start": start, "end": end,
        "normal": with_gaps(numpy.round(random.normal(50, 12, ROWS), 3), 0.08),
        "skewed": with_gaps(numpy.round(random.lognormal(1, 1.5, ROWS), 4), 0.05),
        "large": 1.5e9 + numpy.round(random.random(ROWS), 2),
        "count": with_gaps(random.poisson(2.2, ROWS).astype(float), 0.1),
        "constant": numpy.full(ROWS, 7.25),
        "kind": with_gaps(kind, 0.06),
    })


def transformers(table):
    """Name, transformer and raw column of each feature that is fitted."""
    impute = SimpleImputer
    yield "normal_standard", make_pipeline(impute(), StandardScaler()), ["normal"]
    yield "normal_median", make_pipeline(impute(strategy="median"), StandardScaler()), ["normal"]
    yield "skewed_robust", make_pipeline(impute(strategy="median"), RobustScaler()), ["skewed"]
    yield "skewed_minmax", make_pipeline(impute(strategy="constant", fill_value=-1.5),
                                         MinMaxScaler()), ["skewed"]
    yield "large_standard", StandardScaler(), ["large"]
    yield "large_robust", RobustScaler(), ["large"]
    yield "count_mode", impute(strategy="most_frequent"), ["count"]
    yield "constant_standard", StandardScaler(), ["constant"]
    yield "kind_onehot", make_pipeline(
        impute(strategy="most_frequent"),
        OneHotEncoder(min_frequency=0.05, handle_unknown="infrequent_if_exist",
                      sparse_output=False)), ["kind"]
    yield "kind_ordinal", make_pipeline(impute(strategy="constant", fill_value="none"),
                                        OrdinalEncoder()), ["kind"]


def times(table):
    start = table["start"]
    yield "hour", start.dt.hour
    yield "minute_of_day", start.dt.hour * 60 + start.dt.minute
    yield "dayofweek", start.dt.day_of_week
    yield "month", start.dt.month
    yield "day_of_year", start.dt.day_of_year
    yield "is_weekend", (start.dt.day_of_week >= 5).astype(int)
    yield "turn_sin", numpy.sin(2 * numpy.pi * start.dt.month / 12)
    yield "turn_cos", numpy.cos(2 * numpy.pi * start.dt.month / 12)
    yield "duration", (table["end"] - start).dt.total_seconds()


def main():
    os.makedirs(FOLDER, exist_ok=True)
    table = make_table()
    table.to_csv(os.path.join(FOLDER, "table.csv"), index=False, date_format="%Y-%m-%d %H:%M:%S")
    columns = [numpy.asarray(values, dtype=float) for _, values in times(table)]
    fitted = {}
    for name, transformer, raw in transformers(table):
        values = transformer.fit_transform(table[raw])
        columns.extend(values.T.astype(float))
        if name == "normal_median":
            columns.append(table["normal"].isna().to_numpy(dtype=float))
        scaler = transformer[-1] if hasattr(transformer, "steps") else transformer
        if isinstance(scaler, StandardScaler):
            fitted[name] = [scaler.mean_[0], scaler.scale_[0]]
        elif isinstance(scaler, RobustScaler):
            fitted[name] = [scaler.center_[0], scaler.scale_[0]]
        elif isinstance(scaler, MinMaxScaler):
            fitted[name] = [scaler.data_min_[0], scaler.data_range_[0]]
    kind = table["kind"].fillna("gap")
    columns.append(kind.map(kind.value_counts(normalize=True)).to_numpy(dtype=float))
    document = {"fitted": fitted, "columns": len(columns),
                "values": numpy.column_stack(columns).ravel().tolist()}
    with open(os.path.join(FOLDER, "expected.json"), "w") as file:
        json.dump(document, file)
        file.write("\n")


if __name__ == "__main__":
    main()
