"""The whole job: raw British year -> hour, dayofweek, month, severity -> KMeans k=5, n_init=10 ->
model file, each time one process from its start to its end."""
import gzip
import os
import shutil

import measure
from table import megabytes, ms, table, times

PEERS = {"pandas + scikit-learn": "job_sklearn.py",
         "polars + scikit-learn-intelex": "job_fastest.py"}


def accidents(setting):
    """The shipped year, uncompressed in the temporary folder."""
    path = setting.path("Accidents_2015.csv")
    if not os.path.exists(path):
        packed = os.path.join(setting.root, "data", "gb-2015", "Accidents_2015.csv.gz")
        with gzip.open(packed) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
    return path


def run(setting):
    setting.say("job: the British year, raw file to model file")
    raw, model = accidents(setting), setting.path("model.json")
    config = os.path.join(setting.root, "config", "gb-2015.yaml")

    def ours():
        return setting.run_ours("train", "kmeans", "--config", config, "--input", raw,
                                "--output", model, "--k", 5, "--n-init", 10)

    contestants = {"blackspot": ours}
    for name in setting.there(PEERS):
        script = PEERS[name]
        contestants[name] = lambda script=script: setting.run_peer(script, raw, model + ".pickle")
    for call in contestants.values():
        call()  # files and libraries come from the page cache afterwards
    results = measure.in_turn(contestants, setting.repeats(9))
    rows = []
    for name, runs in results.items():
        best = min(runs, key=lambda run: run["wall"])
        rows.append({"name": name, "wall": measure.summary([run["wall"] for run in runs]),
                     "cpu": measure.summary([run["cpu"] for run in runs]),
                     "peak_bytes": max(run["peak_bytes"] for run in runs),
                     "rows": best["answer"]["rows"], "inertia": best["answer"]["inertia"],
                     "seconds": best["answer"]["seconds"]})
    return rows


def text(document):
    ours = next(row for row in document["cases"] if row["name"] == "blackspot")
    rows = [[row["name"], ms(row["wall"]["min"]), ms(row["wall"]["median"]),
             ms(row["cpu"]["median"]), megabytes(row["peak_bytes"]), f"{row['rows']:,}",
             f"{row['inertia']:,.0f}",
             "-" if row is ours else times(row["wall"]["median"], ours["wall"]["median"])]
            for row in document["cases"]]
    parts = []
    for row in document["cases"]:
        seconds = ", ".join(f"{name} {ms(value)}" for name, value in row["seconds"].items())
        parts.append(f"- {row['name']}: {seconds}")
    spent = "\n\nWhere the quickest run spent its milliseconds, by its own clock:\n\n"
    return table(["one process", "min ms", "median ms", "CPU ms", "peak MB", "rows", "inertia",
                  "ours is faster"], rows) + spent + "\n".join(parts)
