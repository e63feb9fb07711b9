"""From one thread to all: iterations and whole fits of KMeans and mixtures, each with a process
of one thread and a process of all of them, asked in turn. The results are the same bits."""
import statistics

import iteration
import limits
import measure
import mixtures
from table import ms, shape, table

GOAL = 1.85  # times, where arithmetic bounds
SEEDS = 3


def iterations_of(setting, calls, first, last):
    repeats = measure.repeats_within(setting.seconds(1.5) / 1.5,
                                     [lambda call=call: call(last) for call in calls.values()],
                                     2 if setting.quick else 4, 60)
    found = measure.per_iteration(calls, first, last, repeats)
    return {name: step["min"] for name, step in found.items()}


def fits_of(setting, workers, request):
    """The mean over seeds of each seed's least time in two rounds."""
    seconds = {name: [] for name in workers}
    for seed in range(1 if setting.quick else SEEDS):
        rounds = measure.in_turn({name: lambda worker=worker: worker.ask(dict(request, seed=seed))
                                  for name, worker in workers.items()}, 2)
        for name, answers in rounds.items():
            seconds[name].append(min(answer["seconds"] for answer in answers))
    return {name: statistics.fmean(values) for name, values in seconds.items()}


def case_of(what, shape_of, limit, seconds):
    bound, _ = limits.tighter(limit)
    return {"what": what, **shape_of, "bound": bound, "seconds": seconds}


def kmeans(setting):
    for n, d, k, seed in iteration.SIZES:
        n = setting.scaled(n)
        setting.say(f"scaling: KMeans {n} x {d}, k {k}")
        files = setting.blobs(n, d, k, seed)
        workers = {str(count): setting.worker("kmeans.py", "blackspot", count)
                   for count in (1, setting.threads)}
        calls = {name: iteration.steps_from(worker, files, k) for name, worker in workers.items()}
        size = {"rows": n, "columns": d, "k": k}
        limit = limits.kmeans_iteration(n, d, k, setting.limits)
        yield case_of("KMeans iteration", size, limit,
                      iterations_of(setting, calls, iteration.FIRST, iteration.LAST))
        request = {"rows": files[0], "start": None, "k": k, "max_iter": 300, "tol": 1e-4,
                   "inertia": False}
        yield case_of("KMeans fit", size, limit, fits_of(setting, workers, request))
        for worker in workers.values():
            worker.close()


def gaussian(setting):
    workers = {str(count): setting.worker("gmm.py", "blackspot", count)
               for count in (1, setting.threads)}
    for n, d, k, covariance, _ in mixtures.SHAPES:
        n = setting.scaled(n)
        setting.say(f"scaling: mixture {n} x {d}, k {k}, {covariance}")
        files = (setting.path(f"rows-{d}.npy"), setting.path(f"start-{d}.npy"))
        setting.run_peer("blobs.py", n, d, k, mixtures.SEED, *files)
        request = mixtures.request_for(files, k, covariance)
        calls = {name: mixtures.steps_from(worker, request) for name, worker in workers.items()}
        size = {"rows": n, "columns": d, "k": k, "covariance": covariance}
        limit = limits.mixture_iteration(n, d, k, covariance, setting.limits)
        yield case_of("mixture iteration", size, limit,
                      iterations_of(setting, calls, mixtures.FIRST, mixtures.OUR_LAST))
        yield case_of("mixture fit", size, limit,
                      fits_of(setting, workers, dict(request, start=None, max_iter=100, tol=1e-3)))
    for worker in workers.values():
        worker.close()


def run(setting):
    if setting.threads < 2:
        setting.say("scaling: needs --threads 2 or more, left out")
        return []
    return [*kmeans(setting), *gaussian(setting)]


def text(document):
    rows, threads = [], str(document["machine"]["threads"])
    for case in document["cases"]:
        one, all_threads = case["seconds"].get("1"), case["seconds"].get(threads)
        one, all_threads = max(one or 0, 0), max(all_threads or 0, 0)  # 0: noise swallowed it
        ratio = one / all_threads if one and all_threads else None
        # a fit also seeds and copies: no limit of its own
        wanted = case["bound"] == "arithmetic" and "iteration" in case["what"]
        rows.append([case["what"], shape(case), ms(one), ms(all_threads),
                     f"{ratio:.2f}x" if ratio else "-", case["bound"],
                     f"{GOAL}x" if wanted else "-"])
    return table(["", "n x d, k", "1 thread", f"{threads} threads", "ratio", "bound by", "goal"],
                 rows)
