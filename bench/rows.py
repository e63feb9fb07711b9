"""Cost against the number of rows, at 4 columns and 5 clusters: it must grow linearly from ten
thousand rows to a hundred million, and small problems must stay small."""
import plot
from table import ms, table, three_digits, times, us

COLUMNS, BLOBS, K, SEED = 4, 20, 5, 7  # more blobs than clusters: no fit ends early
SIZES = [10**4, 10**5, 10**6, 10**7, 10**8]
PEER_UP_TO = 10**7
SMALL = [10, 30, 100, 300, 1000]
ITERATIONS = {"kmeans": 10, "gmm": 3}
MEMORY = 6  # times the bytes of the rows: the file, two copies of them, and the generator


def available_bytes():
    with open("/proc/meminfo", encoding="utf-8") as file:
        fields = dict(line.split(":") for line in file)
    return int(fields["MemAvailable"].split()[0]) * 1024


def sizes(setting):
    chosen = [n for n in SIZES if n <= setting.largest]
    while chosen and chosen[-1] * COLUMNS * 4 * MEMORY > available_bytes():
        setting.say(f"rows: {chosen.pop():,} rows left out, since memory is short")
    return chosen


def fit_request(rows, n, **others):
    return {"rows": rows, "first": n, "start": K, "k": K, "seed": 0, **others}


def in_nanoseconds(n, answer, steps):
    return {"seconds": answer["seconds"], "iterations": steps,
            "ns": answer["seconds"] / n / steps * 1e9}


def large(setting, rows, start, n, workers):
    """A fit of so many iterations, labels alone, and a mixture's fit: medians of a few calls."""
    setting.say(f"rows: {n:,}")
    calls = max(1, min(20, 2 * 10**7 // n))
    kmeans = fit_request(rows, n, max_iter=ITERATIONS["kmeans"], tol=0, inertia=False)
    score = {"task": "score", "rows": rows, "first": n, "start": start, "k": K}
    gmm = fit_request(rows, n, max_iter=ITERATIONS["gmm"], tol=0, covariance="full")
    jobs = {"kmeans": (workers["blackspot"], kmeans), "labels": (workers["blackspot"], score),
            "gmm": (workers["gmm"], gmm)}
    if "scikit-learn" in workers and n <= PEER_UP_TO:
        jobs["scikit-learn"] = (workers["scikit-learn"], kmeans)
    case, inertias = {"rows": n}, {}
    for name, (worker, request) in jobs.items():
        worker.ask(dict(request, times=1))
        answer = worker.ask(dict(request, times=calls))
        case[name] = in_nanoseconds(n, answer, answer.get("iterations", 1))
        if n <= PEER_UP_TO and request is kmeans:
            inertias[name] = worker.ask(dict(request, times=1, inertia=True))["inertia"]
    if "scikit-learn" in inertias:
        case["inertia_difference"] = inertias["scikit-learn"] / inertias["kmeans"] - 1
    return case


def small(setting, rows, n, workers):
    """A fit to tol 1e-4 and its labels, again and again: the median."""
    request = fit_request(rows, n, max_iter=300, tol=1e-4, inertia=True, times=setting.repeats(100))
    answers = {}
    for name, worker in workers.items():
        worker.ask(request)
        answers[name] = worker.ask(request)
    return {"rows": n, "fit": answers}


def run(setting):
    chosen = sizes(setting)
    names = ["blackspot", *setting.there(["scikit-learn"])]
    setting.say(f"rows: making {chosen[-1]:,} rows")
    rows, start = setting.path("many.npy"), setting.path("many-start.npy")
    setting.run_peer("blobs.py", chosen[-1], COLUMNS, BLOBS, SEED, rows, start, K)
    workers = {name: setting.worker("kmeans.py", name) for name in names}
    few = [small(setting, rows, n, workers) for n in SMALL]
    workers["gmm"] = setting.worker("gmm.py", "blackspot")
    many = [large(setting, rows, start, n, workers) for n in chosen]
    for worker in workers.values():
        worker.close()
    return {"large": many, "small": few}


SERIES = {"kmeans": "KMeans, a row and iteration", "labels": "KMeans labels, a row",
          "gmm": "mixture (full), a row and iteration",
          "scikit-learn": "scikit-learn KMeans, a row and iteration"}


def picture(document):
    """(name of the file, SVG)"""
    series = {label: [(case["rows"], case[name]["ns"]) for case in document["cases"]["large"]
                      if name in case] for name, label in SERIES.items()}
    return "rows.svg", plot.lines("Cost of a row stays the same: 4 columns, 5 clusters", "rows",
                                  "nanoseconds", {label: points for label, points in series.items()
                                                  if points})


def text(document):
    head = ["rows", "fit, ms", "KMeans, ns", "labels, ns", "mixture, ns", "scikit-learn KMeans, ns",
            "against scikit-learn", "inertia differs"]
    rows = []
    for case in document["cases"]["large"]:
        peer = case.get("scikit-learn")
        cells = [f"{case['rows']:,}", ms(case["kmeans"]["seconds"])]
        cells += [three_digits(case[name]["ns"]) for name in ("kmeans", "labels", "gmm")]
        cells += [three_digits(peer["ns"]) if peer else "-",
                  times(peer["ns"], case["kmeans"]["ns"]) if peer else "-",
                  f"{case['inertia_difference']:.0e}" if peer else "-"]
        rows.append(cells)
    few = []
    for case in document["cases"]["small"]:
        ours, peer = case["fit"]["blackspot"], case["fit"].get("scikit-learn")
        few.append([f"{case['rows']:,}", us(ours["seconds"]), us(peer["seconds"]) if peer else "-",
                    times(peer["seconds"], ours["seconds"]) if peer else "-",
                    f"{peer['inertia'] / ours['inertia'] - 1:.0e}" if peer else "-"])
    return ("![nanoseconds a row against the number of rows](results/rows.svg)\n\n" +
            table(head, rows) + "\n\nSmall problems, microseconds a fit:\n\n" +
            table(["rows", "ours", "scikit-learn", "ours is faster", "inertia differs"], few))
