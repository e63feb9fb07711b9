"""One EM iteration of a Gaussian mixture in float64, ours beside scikit-learn on float64 and on
float32 rows, from equal weights, means and precisions."""
import limits
import measure
from table import goal, ms, share, shape, table, times

# rows, columns, components, covariance, goal: times scikit-learn on float64
SHAPES = [(200_000, 4, 5, "full", 60), (200_000, 4, 5, "diag", 25), (200_000, 16, 8, "full", 25),
          (200_000, 16, 8, "tied", 20), (200_000, 16, 8, "diag", 20),
          (200_000, 16, 8, "spherical", 20), (100_000, 32, 16, "full", 14)]
SEED = 2015
FIRST, LAST, OUR_LAST = 2, 6, 22  # iterations between which the time is taken
PEERS = {"float64": "scikit-learn", "float32": "scikit-learn"}  # rows' type -> library
AGREE = 1e-6


def request_for(files, k, covariance, **others):
    return {"rows": files[0], "start": files[1], "k": k, "covariance": covariance, "tol": 0,
            "seed": 0, **others}


def steps_from(worker, request):
    def call(steps):
        return worker.ask(dict(request, max_iter=steps))
    return call


def workers_for(setting):
    """name -> (worker, type of its rows)"""
    workers = {"blackspot": (setting.worker("gmm.py", "blackspot"), "float32")}
    if setting.there(["scikit-learn"]):
        for dtype, library in PEERS.items():
            workers[dtype] = (setting.worker("gmm.py", library), dtype)
    return workers


def measure_shape(setting, workers, files, n, d, k, covariance, wanted):
    calls = {name: steps_from(worker, request_for(files, k, covariance, dtype=dtype))
             for name, (worker, dtype) in workers.items()}
    bounds = {name: call(LAST)["lower_bound"] for name, call in calls.items()}
    last = {name: OUR_LAST if name == "blackspot" else LAST for name in calls}
    return {"rows": n, "columns": d, "k": k, "covariance": covariance, "goal": wanted,
            "limit": limits.mixture_iteration(n, d, k, covariance, setting.limits),
            "iteration": measure.per_iteration(calls, FIRST, last, setting.repeats(4)),
            "lower_bound": bounds["blackspot"],
            "differs": {name: abs(bound / bounds["blackspot"] - 1)
                        for name, bound in bounds.items() if name != "blackspot"}}


def run(setting):
    workers, cases, files, made = workers_for(setting), [], None, None
    for n, d, k, covariance, wanted in SHAPES:
        n = setting.scaled(n)
        setting.say(f"mixtures: {n} x {d}, k {k}, {covariance}")
        if made != (n, d, k):
            made = (n, d, k)
            files = (setting.path(f"rows-{d}.npy"), setting.path(f"start-{d}.npy"))
            setting.run_peer("blobs.py", *made, SEED, *files)
        cases.append(measure_shape(setting, workers, files, n, d, k, covariance, wanted))
    for worker, _ in workers.values():
        worker.close()
    return cases


def table_row(case):
    step = case["iteration"]
    bound, least = limits.tighter(case["limit"])
    ours = step["blackspot"]["min"]
    cells = [shape(case), f"{ms(least)} {bound}", ms(case["limit"]["exp"]), ms(ours),
             share(least, ours)]
    peers = {name: step[name]["min"] for name in PEERS if name in step}
    cells += [ms(peers[name]) if name in peers else "-" for name in PEERS]
    # times count at an equal likelihood only
    cells += ["unequal" if case["differs"].get(name, 0) > AGREE else times(peers.get(name), ours)
              for name in PEERS]
    return cells + [goal(case["goal"]),
                    ", ".join(f"{case['differs'][name]:.0e}" for name in PEERS
                              if name in case["differs"]) or "-"]


def text(document):
    head = ["n x d, k", "limit", "of it exp", "ours", "of the limit", "scikit-learn float64",
            "scikit-learn float32", "against float64", "against float32", "goal",
            "likelihood differs"]
    return table(head, [table_row(case) for case in document["cases"]])
