"""KMeans fits on blobs: one Lloyd iteration, and a whole fit with k-means++ and its inertia. Every
library has a process of its own that is asked in turn: all are warm and all get the same rows."""
import os
import statistics

import measure

# rows, columns, clusters, and a seed from which the iterations are more than LAST
SIZES = [(1_000_000, 4, 5, 2015), (2_000_000, 3, 20, 2015), (1_000_000, 8, 16, 2015),
         (500_000, 32, 64, 2015), (100_000, 128, 256, 2015), (20_000, 4, 5, 1)]
PEERS = ["scikit-learn", "scikit-learn-intelex", "faiss"]
FIRST, LAST = 2, 12  # iterations between which the time is taken


def seconds_wanted(setting):
    return 0.2 if setting.quick else 12.0


def repeats_for(setting, ask, request):
    """As many repeats as fit in the time wanted, at least 3 and at most 60."""
    ask(request)
    once = ask(request)["seconds"]
    return max(3, min(60, int(seconds_wanted(setting) / (once * 4))))


def one_iteration(setting, workers, request):
    """Seconds of iterations 3 to 12, from fits stopped after 12 and after 2, divided by ten."""
    times = {name: {FIRST: [], LAST: []} for name in workers}
    iterations = {}
    sklearn = workers["scikit-learn"].ask
    repeats = repeats_for(setting, sklearn, dict(request, max_iter=LAST))
    for worker in workers.values():
        worker.ask(dict(request, max_iter=LAST))
    for _ in range(repeats):
        for name, worker in workers.items():
            for steps in (FIRST, LAST):
                answer = worker.ask(dict(request, max_iter=steps))
                times[name][steps].append(answer["seconds"])
                iterations[name, steps] = answer["iterations"]
    rows = {}
    for name in workers:
        steps = iterations[name, LAST] - iterations[name, FIRST]
        if steps <= 0:
            continue
        rows[name] = {
            "iterations": iterations[name, LAST], "runs": repeats,
            "min": (min(times[name][LAST]) - min(times[name][FIRST])) / steps,
            "median": (statistics.median(times[name][LAST]) -
                       statistics.median(times[name][FIRST])) / steps}
    return rows


def whole_fit(setting, workers, request):
    """Seeding, iterations to tol 1e-4 and labels, for a number of seeds."""
    request = dict(request, start=None, max_iter=300, tol=1e-4, inertia=True)
    answers = {name: [] for name in workers}
    for seed in range(setting.seeds):
        for name, worker in workers.items():
            answers[name].append(worker.ask(dict(request, seed=seed)))
    return {name: {"seconds": measure.summary([answer["seconds"] for answer in runs]),
                   "mean_inertia": statistics.fmean(answer["inertia"] for answer in runs),
                   "mean_iterations": statistics.fmean(answer["iterations"] for answer in runs)}
            for name, runs in answers.items()}


def command(setting, request):
    """The same fit by the command, from its start to its end: cold, and its peak memory."""
    model = setting.path("kmeans.json")
    runs = [setting.run_ours("train", "kmeans", "--input", request["rows"], "--output", model,
                             "--k", request["k"], "--init", request["start"],
                             "--max-iter", LAST, "--tol", 0) for _ in range(setting.repeats(5))]
    best = min(runs, key=lambda run: run["wall"])
    return {"wall": measure.summary([run["wall"] for run in runs]),
            "seconds": best["answer"]["seconds"],
            "peak_bytes": max(run["peak_bytes"] for run in runs)}


def limit_seconds(n, d, k, limits):
    """What one iteration must at least read and compute."""
    memory = (4 * n * d + 4 * n) / (limits["read_gb_per_s"] * 1e9)
    arithmetic = (2 * n * k * d + n * d) / (limits["fma_gflops"] * 1e9)
    return {"memory": memory, "arithmetic": arithmetic}


def measure_size(setting, n, d, k, seed):
    setting.say(f"kmeans: {n} x {d}, k {k}")
    rows, start = setting.path("rows.npy"), setting.path("start.npy")
    setting.run_peer("blobs.py", n, d, k, seed, rows, start)
    ours = setting.peer("kmeans.py", "blackspot", setting.threads, setting.shared_object)
    workers = {"blackspot": measure.Worker(ours, setting.environment)}
    for name in PEERS:
        workers[name] = measure.Worker(setting.peer("kmeans.py", name, setting.threads),
                                       setting.environment)
    request = {"rows": rows, "start": start, "k": k, "max_iter": LAST, "tol": 0, "seed": 0,
               "inertia": False}
    case = {"rows": n, "columns": d, "k": k, "iteration": one_iteration(setting, workers, request),
            "near_ties": workers["blackspot"].ask(request)["near_ties"],
            "fit": whole_fit(setting, workers, request), "command": command(setting, request)}
    for worker in workers.values():
        worker.close()
    os.remove(rows)
    return case


def run(setting):
    scale = 50 if setting.quick else 1
    return [measure_size(setting, max(n // scale, 2000), d, k, seed) for n, d, k, seed in SIZES]
