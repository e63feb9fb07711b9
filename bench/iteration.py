"""One Lloyd iteration of KMeans on blobs. Every library has a process of its own that is asked
in turn: all are warm and all get the same rows and starting centres."""
import limits
import measure
from table import goal, ms, share, shape, table, times

# rows, columns, clusters, and a seed from which the iterations are more than LAST
SIZES = [(1_000_000, 4, 5, 2015), (2_000_000, 3, 20, 2015), (1_000_000, 8, 16, 2015),
         (500_000, 32, 64, 2015), (100_000, 128, 256, 2015), (20_000, 4, 5, 1)]
GOALS = [8, 8, 5, 4, 2.5, 4]  # times the best peer
PEERS = ["scikit-learn", "scikit-learn-intelex", "faiss"]
MOST_UNEQUAL = 1e-3  # relative difference of inertias up to which a peer is compared
FIRST, LAST = 2, 12  # iterations between which the time is taken


def steps_from(worker, files, k):
    """Function from a number of iterations to the worker's answer."""
    def call(steps):
        return worker.ask({"rows": files[0], "start": files[1], "k": k, "max_iter": steps,
                           "tol": 0, "seed": 0, "inertia": False})
    return call


def inertia_after(worker, files, k):
    return worker.ask({"rows": files[0], "start": files[1], "k": k, "max_iter": LAST, "tol": 0,
                       "seed": 0, "inertia": True})["inertia"]


def measure_size(setting, n, d, k, seed, wanted):
    setting.say(f"iteration: {n} x {d}, k {k}")
    files = setting.blobs(n, d, k, seed)
    workers = {name: setting.worker("kmeans.py", name)
               for name in ["blackspot", *setting.there(PEERS)]}
    calls = {name: steps_from(worker, files, k) for name, worker in workers.items()}
    inertias = {name: inertia_after(worker, files, k) for name, worker in workers.items()}
    # both fits of a repeat take about one and a half times the longer one
    repeats = measure.repeats_within(setting.seconds(12) / 1.5,
                                     [lambda call=call: call(LAST) for call in calls.values()],
                                     2 if setting.quick else 4, 60)
    case = {"rows": n, "columns": d, "k": k, "goal": wanted,
            "limit": limits.kmeans_iteration(n, d, k, setting.limits),
            "iteration": measure.per_iteration(calls, FIRST, LAST, repeats),
            "near_ties": calls["blackspot"](LAST)["near_ties"],
            "inertia_difference": {name: value / inertias["blackspot"] - 1
                                   for name, value in inertias.items() if name != "blackspot"}}
    for worker in workers.values():
        worker.close()
    return case


def run(setting):
    return [measure_size(setting, setting.scaled(n), d, k, seed, wanted)
            for (n, d, k, seed), wanted in zip(SIZES, GOALS)]


def table_row(case):
    bound, least = limits.tighter(case["limit"])
    step = case["iteration"]
    ours = step["blackspot"]["min"]
    peers = {name: step[name]["min"] for name in PEERS if name in step}
    unequal = case["inertia_difference"]
    equal = [seconds for name, seconds in peers.items() if abs(unequal[name]) <= MOST_UNEQUAL]
    return [shape(case), f"{ms(least)} {bound}", ms(ours), share(least, ours),
            *(ms(peers[name]) if name in peers else "-" for name in PEERS),
            times(peers.get("scikit-learn"), ours), times(min(equal, default=None), ours),
            goal(case["goal"]), f"{100 * case['near_ties']:.3f} %",
            ", ".join(f"{abs(unequal[name]):.0e}" for name in PEERS if name in unequal) or "-"]


def text(document):
    return table(["n x d, k", "limit", "ours", "of the limit", *PEERS, "against scikit-learn",
                  "against the best", "goal", "near ties", "inertia differs"],
                 [table_row(case) for case in document["cases"]])
