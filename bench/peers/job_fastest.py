"""The main job with the fastest parts of the Python world: polars reads, scikit-learn-intelex fits.

    job_fastest.py Accidents_2015.csv model.pickle"""
import json
import pickle
import sys
import time

begin = time.perf_counter()
import numpy
import polars
from sklearnex.cluster import KMeans

imported = time.perf_counter()
table = polars.read_csv(sys.argv[1], columns=["Accident_Severity", "Date", "Time"],
                        schema_overrides={"Accident_Severity": polars.Int8}).drop_nulls()
when = polars.concat_str("Date", polars.lit(" "), "Time").str.to_datetime("%d/%m/%Y %H:%M")
features = table.select(
    when.dt.hour().cast(polars.Float32).alias("hour"),
    (when.dt.weekday() - 1).cast(polars.Float32).alias("dayofweek"),
    when.dt.month().cast(polars.Float32).alias("month"),
    polars.col("Accident_Severity").cast(polars.Float32)).to_numpy()
features = numpy.ascontiguousarray(features)
prepared = time.perf_counter()
model = KMeans(n_clusters=5, n_init=10, random_state=0).fit(features)
fitted = time.perf_counter()
with open(sys.argv[2], "wb") as file:
    pickle.dump(model, file)
json.dump({"rows": len(features), "features": features.shape[1], "inertia": float(model.inertia_),
           "seconds": {"import": imported - begin, "prepare": prepared - imported,
                       "fit": fitted - prepared, "total": time.perf_counter() - begin}},
          sys.stdout)
