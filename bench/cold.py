"""The first call in a fresh process (threads start, memory is new to it) beside those that follow:
whole KMeans fits and labels of rows. Libraries are imported and rows loaded before."""
import iteration
import measure
from table import ms, shape, table

PEERS = ["scikit-learn", "scikit-learn-intelex"]
PROCESSES = {"blackspot": 5}  # fresh ones of each library; one of the others
FOLLOWING = {"blackspot": 4}  # calls after the first; one of the others


def first_and_following(setting, library, request):
    count = setting.repeats(PROCESSES.get(library, 1)) if library == "blackspot" else 1
    first, following = [], []
    for _ in range(count):
        worker = setting.worker("kmeans.py", library)
        first.append(worker.ask(request)["seconds"])
        following += [worker.ask(request)["seconds"] for _ in range(FOLLOWING.get(library, 1))]
        worker.close()
    return {"cold": measure.summary(first), "warm": measure.summary(following)}


def run(setting):
    cases = []
    for n, d, k, seed in iteration.SIZES:
        n = setting.scaled(n)
        setting.say(f"cold: {n} x {d}, k {k}")
        rows, start = setting.blobs(n, d, k, seed)
        fit = {"rows": rows, "start": None, "k": k, "max_iter": 300, "tol": 1e-4, "seed": 0,
               "inertia": False}
        score = {"task": "score", "rows": rows, "start": start, "k": k, "times": 1}
        libraries = ["blackspot", *setting.there(PEERS)]
        cases.append({"rows": n, "columns": d, "k": k,
                      "fit": {library: first_and_following(setting, library, fit)
                              for library in libraries},
                      "labels": {library: first_and_following(setting, library, score)
                                 for library in libraries}})
    return cases


def text(document):
    head = ["cold, warm (ms)"] + [f"{what}, {name}" for what in ("fit", "labels")
                                  for name in ["ours", *PEERS]]
    rows = []
    for case in document["cases"]:
        cells = [shape(case)]
        for what in ("fit", "labels"):
            for name in ["blackspot", *PEERS]:
                found = case[what].get(name)
                cells.append("-" if found is None else f"{ms(found['cold']['median'])}, "
                             f"{ms(found['warm']['median'])}")
        rows.append(cells)
    return table(head, rows)
