"""The main job as a data scientist writes it with pandas and scikit-learn, at its fastest: only the
columns needed, narrow types, the time's format given, float32 rows.

    job_sklearn.py Accidents_2015.csv model.pickle"""
import json
import pickle
import sys
import time

begin = time.perf_counter()
import numpy
import pandas
from sklearn.cluster import KMeans

imported = time.perf_counter()
table = pandas.read_csv(sys.argv[1], usecols=["Accident_Severity", "Date", "Time"],
                        dtype={"Accident_Severity": "int8", "Date": "str", "Time": "str"})
table = table.dropna()
when = pandas.to_datetime(table["Date"] + " " + table["Time"], format="%d/%m/%Y %H:%M")
features = numpy.column_stack([
    when.dt.hour, when.dt.day_of_week, when.dt.month, table["Accident_Severity"]
]).astype(numpy.float32)
prepared = time.perf_counter()
model = KMeans(n_clusters=5, n_init=10, random_state=0).fit(features)
fitted = time.perf_counter()
with open(sys.argv[2], "wb") as file:
    pickle.dump(model, file)
json.dump({"rows": len(features), "features": features.shape[1], "inertia": float(model.inertia_),
           "seconds": {"import": imported - begin, "prepare": prepared - imported,
                       "fit": fitted - prepared, "total": time.perf_counter() - begin}},
          sys.stdout)
