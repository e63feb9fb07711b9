"""Labels of rows under KMeans centres, and log-likelihoods of rows under a mixture: warm, in
turn, all libraries with the same centres; rows a second and the share of the limit."""
import iteration
import limits
import measure
import mixtures
from table import ms, share, shape, table, three_digits, times

PEERS = iteration.PEERS
MOST_DIFFERING = 1e-3  # share of labels: rows that lie between two centres as float32 sees them


def score_all(setting, workers, requests):
    """Each library's answers to its request, after one that saved or compared the results."""
    differing = {}
    kept = setting.path("scores.npy")
    for name, worker in workers.items():
        check = {"save" if name == "blackspot" else "compare": kept}
        differing[name] = worker.ask(dict(requests[name], times=1, **check))["differing"]
    calls = {name: lambda name=name: workers[name].ask(dict(requests[name], times=1))
             for name in workers}
    repeats = measure.repeats_within(setting.seconds(4), calls.values(), 2 if setting.quick else 5,
                                     100)
    answers = measure.in_turn(calls, repeats)
    return {name: dict(measure.summary([answer["seconds"] for answer in answers[name]]),
                       differing=differing[name]) for name in workers}


def labels(setting):
    for n, d, k, seed in iteration.SIZES:
        n = setting.scaled(n)
        setting.say(f"scoring: KMeans {n} x {d}, k {k}")
        rows, start = setting.blobs(n, d, k, seed)
        workers = {name: setting.worker("kmeans.py", name)
                   for name in ["blackspot", *setting.there(PEERS)]}
        request = {"task": "score", "rows": rows, "start": start, "k": k}
        seconds = score_all(setting, workers, {name: request for name in workers})
        yield {"what": "labels", "rows": n, "columns": d, "k": k, "seconds": seconds,
               "limit": limits.kmeans_scoring(n, d, k, setting.limits)}
        for worker in workers.values():
            worker.close()


def likelihoods(setting):
    workers = mixtures.workers_for(setting)
    for n, d, k, covariance, _ in mixtures.SHAPES:
        n = setting.scaled(n)
        setting.say(f"scoring: mixture {n} x {d}, k {k}, {covariance}")
        files = (setting.path(f"rows-{d}.npy"), setting.path(f"start-{d}.npy"))
        setting.run_peer("blobs.py", n, d, k, mixtures.SEED, *files)
        requests = {name: mixtures.request_for(files, k, covariance, dtype=dtype, max_iter=2)
                    for name, (_, dtype) in workers.items()}
        for name, (worker, _) in workers.items():
            worker.ask(requests[name])
            requests[name]["task"] = "score"
        seconds = score_all(setting, {name: worker for name, (worker, _) in workers.items()},
                            requests)
        yield {"what": "log-likelihoods", "rows": n, "columns": d, "k": k,
               "covariance": covariance, "seconds": seconds,
               "limit": limits.mixture_scoring(n, d, k, covariance, setting.limits)}
    for worker, _ in workers.values():
        worker.close()


def run(setting):
    return [*labels(setting), *likelihoods(setting)]


def table_of(cases, peers, most_differing, goal):
    head = ["n x d, k", "limit", "ours", "of the limit", "goal", "million rows/s", *peers,
            "against the best", "results differ"]
    rows = []
    for case in cases:
        bound, least = limits.tighter(case["limit"])
        seconds = case["seconds"]
        ours = seconds["blackspot"]["min"]
        found = {name: seconds[name] for name in peers if name in seconds}
        equal = [row["min"] for row in found.values() if row["differing"] <= most_differing]
        rows.append([shape(case), f"{ms(least)} {bound}", ms(ours), share(least, ours), goal,
                     three_digits(case["rows"] / ours / 1e6),
                     *(ms(found[name]["min"]) if name in found else "-" for name in peers),
                     times(min(equal, default=None), ours),
                     ", ".join(f"{row['differing']:.0e}" for row in found.values()) or "-"])
    return table(head, rows)


def text(document):
    kinds = {what: [case for case in document["cases"] if case["what"] == what]
             for what in ("labels", "log-likelihoods")}
    return "Labels, milliseconds:\n\n" + \
        table_of(kinds["labels"], PEERS, MOST_DIFFERING, f"{limits.GOAL_SCORING} %") + \
        "\n\nLog-likelihoods under a mixture, milliseconds; scikit-learn on rows of both " \
        "types:\n\n" + \
        table_of(kinds["log-likelihoods"], list(mixtures.PEERS), 0.0, "-")
