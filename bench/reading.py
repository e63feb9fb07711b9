"""CSV file to float32 matrix. Cold: a fresh process each time (`blackspot prepare`: the seconds it
reports for reading and encoding, beside the whole process). Warm: `blackspot bench read`, which
reads again in one process, as the peers do."""
import os
import shutil
import subprocess

import job
import measure
from table import MEGABYTE, megabytes, ms, table, times

FOUR = ["Longitude", "Latitude", "Accident_Severity", "Speed_limit"]
SEVEN = ["year", "month", "day", "hour", "minute", "lat", "lon"]


def new_york(setting):
    """The crash points, uncompressed in the temporary folder, or None."""
    packed = os.path.join(setting.data_dir or "", "us-nyc-points", "nyc-crash-points.csv.zst")
    if not os.path.exists(packed):
        setting.say("reading: no us-nyc-points/nyc-crash-points.csv.zst in --data-dir, left out")
        return None
    if shutil.which("zstd") is None:
        setting.say("reading: the program zstd is needed for nyc-crash-points.csv.zst, left out")
        return None
    path = setting.path("nyc-crash-points.csv")
    if not os.path.exists(path):
        subprocess.run(["zstd", "-dqf", packed, "-o", path], check=True)
    return path


def memory_allowed(rows, features):
    """The goal: the matrix, 16 bytes a row and 64 MB."""
    return rows * features * 4 + rows * 16 + 64 * 10**6


def measure_case(setting, name, path, config, columns, workers):
    setting.say(f"reading: {name}")
    config = os.path.join(setting.config, config)
    matrix = setting.path("matrix.npy")

    def ours():
        return setting.run_ours("prepare", "--config", config, "--input", path, "--output", matrix)

    def warm():
        return setting.run_ours("bench", "read", "--config", config, "--input", path, "--repeat", 3)

    request = {"path": path, "columns": columns}
    contestants = {"blackspot": ours, "warm": warm}
    for peer, worker in workers.items():
        contestants[peer] = lambda worker=worker: worker.ask(request)
    for call in contestants.values():
        call()
    results = measure.in_turn(contestants, setting.repeats(15))
    mine, again = results.pop("blackspot"), results.pop("warm")
    answer = mine[0]["answer"]
    case = {"name": name, "file_bytes": os.path.getsize(path), "rows": answer["rows"],
            "features": answer["features"],
            "peak_bytes": max(run["peak_bytes"] for run in mine),
            "allowed_bytes": memory_allowed(answer["rows"], answer["features"]),
            "blackspot": {
                "warm": measure.summary([run["answer"]["seconds"]["best"] for run in again]),
                "seconds": measure.summary([run["answer"]["seconds"]["read"] +
                                            run["answer"]["seconds"]["prepare"] for run in mine]),
                "wall": measure.summary([run["wall"] for run in mine])}}
    for peer, runs in results.items():
        case[peer] = {"seconds": measure.summary([run["seconds"] for run in runs])}
        if runs[0]["matrix_seconds"] is not None:
            case[peer]["matrix_seconds"] = measure.summary([run["matrix_seconds"] for run in runs])
    os.remove(matrix)
    return case


def run(setting):
    accidents, points = job.accidents(setting), new_york(setting)
    workers = {peer: measure.Worker(setting.peer("reading.py", peer), setting.environment())
               for peer in setting.there(["polars", "pandas"])}
    cases = []
    if points:
        cases.append(measure_case(setting, "New York points, 7 columns", points, "nyc-seven.yaml",
                                  SEVEN, workers))
    cases.append(measure_case(setting, "Accidents 2015, 4 of 32 columns", accidents,
                              "gb-2015-four.yaml", FOUR, workers))
    cases.append(measure_case(setting, "Accidents 2015, all columns", accidents,
                              "gb-2015-all.yaml", None, workers))
    for worker in workers.values():
        worker.close()
    return cases


def median(case, peer, key="seconds"):
    return case.get(peer, {}).get(key, {}).get("median")


def text(document):
    rows = []
    for case in document["cases"]:
        ours = case["blackspot"]
        polars = case.get("polars", {}).get("seconds", {})
        peers = [polars.get("min"), polars.get("median"), median(case, "polars", "matrix_seconds"),
                 median(case, "pandas")]
        rows.append([case["name"], f"{case['file_bytes'] / MEGABYTE:.0f}",
                     ms(ours["warm"]["min"]), ms(ours["warm"]["median"]),
                     ms(ours["seconds"]["median"]), ms(ours["wall"]["median"]),
                     *("-" if seconds is None else ms(seconds) for seconds in peers),
                     times(polars.get("median"), ours["warm"]["median"]),
                     f"{megabytes(case['peak_bytes'])} of {megabytes(case['allowed_bytes'])}"])
    return table(["file to float32 matrix", "MB", "ours min", "ours", "ours, cold",
                  "ours, cold process", "polars min", "polars", "polars matrix", "pandas",
                  "against polars", "peak MB, allowed"], rows)
