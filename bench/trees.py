"""Margins of boosted trees: models that XGBoost and LightGBM trained, scored by them, by oneDAL, by
C that tl2cgen makes and by us, on the same rows: a large batch, 100 rows and one. Our margins must
equal the library's own, bit for bit."""
import os
import shutil
import subprocess

import measure
import plot
from table import table, three_digits, times

MAKERS = ["xgboost", "lightgbm"]
COLUMNS = 28
CASES = [  # what, file, peers with the library of the model first, float64 rows, batch of the peers
    ("XGBoost, 100 trees of depth 6", "xgboost-100.json", ["xgboost", "oneDAL", "tl2cgen"], False,
     400000),  # their speed does not change above it
    ("XGBoost, 1000 trees of depth 8", "xgboost-1000.json", ["xgboost", "oneDAL"], False, 40000),
    ("XGBoost, 5 classes, 100 trees each of depth 6", "xgboost-classes.json",
     ["xgboost", "oneDAL"], False, 100000),
    ("LightGBM, 100 trees of 255 leaves", "lightgbm-255.txt", ["lightgbm", "oneDAL"], False,
     100000),
    ("LightGBM, 100 trees of 255 leaves, float64 rows", "lightgbm-255.txt",
     ["lightgbm", "oneDAL"], True, 100000),
]
BATCHES = (400000, 100, 1)
GOALS = ["20 M rows/s, 4x", "4x", "4x", "4x", "4x"]


def compile_one_row(setting):
    """The program for one row through the C interface, or None without a compiler."""
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        setting.say("trees: no C compiler, so no row through the C interface")
        return None
    folder = os.path.dirname(setting.shared_object)
    program = setting.path("one_row")
    subprocess.run([compiler, "-O2", "-I", os.path.join(setting.root, "include"),
                    os.path.join(setting.root, "bench", "one_row.c"), "-o", program,
                    f"-L{folder}", "-lblackspot", f"-Wl,-rpath,{folder}"], check=True)
    return program


def peers_there(setting):
    there = setting.there(["oneDAL", "tl2cgen"])
    if "tl2cgen" in there and shutil.which("gcc") is None:
        setting.say("tl2cgen: left out, since it needs gcc")
        there.remove("tl2cgen")
    return there


def measure_case(setting, workers, case):
    """Seconds of a row, for each size of batch and library."""
    what, file, peers, doubles, most = case
    setting.say(f"trees: {what}")
    seconds, equal = {str(count): {} for count in BATCHES}, True
    for count in BATCHES:
        for name in ["blackspot", *(peer for peer in peers if peer in workers)]:
            rows = count if name == "blackspot" else min(count, most)
            rows = min(rows, 8000) if setting.quick else rows
            answer = workers[name].ask({
                "task": "score", "rows": setting.path("trees.npy"), "count": rows,
                "doubles": doubles, "model": setting.path(file), "compared": name == peers[0],
                "kept": setting.path("margins.npy"), "seconds": setting.seconds(2)})
            seconds[str(count)][name] = answer["seconds"] / rows
            equal = equal and answer["equal"]
    return {"what": what, "own": peers[0], "equal": equal, "seconds": seconds}


def run(setting):
    if len(setting.there(MAKERS)) < len(MAKERS):
        setting.say("trees: left out, since its models are made by both peers")
        return []
    setting.say("trees: making the models")
    setting.run_peer("trees.py", "make", setting.folder, "quick" if setting.quick else "full")
    names = ["blackspot", *MAKERS, *peers_there(setting)]
    workers = {name: setting.worker("trees.py", name) for name in names}
    one_row = compile_one_row(setting)
    cases = []
    for case in CASES:
        cases.append(measure_case(setting, workers, case))
        if one_row is not None:
            cases[-1]["c"] = measure.run_process([one_row, setting.path(case[1]), str(COLUMNS)])[
                "answer"]["seconds"]
    for worker in workers.values():
        worker.close()
    return cases


def best_peer(case, count):
    return min((value, name) for name, value in case["seconds"][str(count)].items()
               if name != "blackspot")


def large(document):
    head = ["model", "ours, M rows/s", "its own library", "oneDAL", "tl2cgen", "against the best",
            "goal", "margins"]
    rows = []
    for case, goal in zip(document["cases"], GOALS):
        found = case["seconds"][str(BATCHES[0])]
        rates = [three_digits(1e-6 / found[name]) if name in found else "-"
                 for name in ("blackspot", case["own"], "oneDAL", "tl2cgen")]
        rows.append([case["what"], *rates,
                     times(best_peer(case, BATCHES[0])[0], found["blackspot"]), goal,
                     "equal bits" if case["equal"] else "differ"])
    return table(head, rows)


def small(document):
    head = ["model", "100 rows, us", "best peer", "against it", "goal", "one row in Python, us",
            "best peer", "one row in C, us"]
    rows = []
    for case in document["cases"]:
        cells = [case["what"]]
        for count, goal in ((100, "4x"), (1, None)):
            ours, (theirs, name) = case["seconds"][str(count)]["blackspot"], best_peer(case, count)
            cells += [three_digits(ours * count * 1e6),
                      f"{three_digits(theirs * count * 1e6)} ({name})"]
            cells += [times(theirs, ours), goal] if goal else []
        rows.append([*cells, three_digits(case["c"] * 1e6) if "c" in case else "-"])
    return table(head, rows)


def text(document):
    return f"{large(document)}\n\n{small(document)}"


def picture(document):
    """(name of the file, SVG): rows in a second over the rows of a batch, 100 trees of depth 6."""
    series = {}
    for count in sorted(BATCHES):
        for name, seconds in document["cases"][0]["seconds"][str(count)].items():
            series.setdefault(name, []).append((count, 1 / seconds))
    return "trees.svg", plot.lines("100 trees of depth 6: rows in a second", "rows of a batch",
                                   "rows/s", series)
