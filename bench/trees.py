"""Margins of boosted trees: models that XGBoost and LightGBM trained, scored by them and by us on the
same rows; a large batch, 100 rows and one. Our margins must equal theirs, bit for bit."""
from table import table, three_digits, times

PEERS = ["xgboost", "lightgbm"]
CASES = [  # what, file, peer, float64 rows, batch of the peer (its speed does not change above it)
    ("XGBoost, 100 trees of depth 6", "xgboost-100.json", "xgboost", False, 400000),
    ("XGBoost, 1000 trees of depth 8", "xgboost-1000.json", "xgboost", False, 40000),
    ("XGBoost, 5 classes, 100 trees each of depth 6", "xgboost-classes.json", "xgboost", False,
     100000),
    ("LightGBM, 100 trees of 255 leaves, float64", "lightgbm-255.txt", "lightgbm", True, 100000),
]
GOALS = ["20 M rows/s", "4x", "4x", "4x"]


def run(setting):
    libraries = setting.there(PEERS)
    if len(libraries) < len(PEERS):
        setting.say("trees: left out, since its models are made by both peers")
        return []
    setting.say("trees: making the models")
    setting.run_peer("trees.py", "make", setting.folder, "quick" if setting.quick else "full")
    workers = {name: setting.worker("trees.py", name) for name in ["blackspot", *libraries]}
    cases = []
    for what, file, peer, doubles, batch in CASES:
        setting.say(f"trees: {what}")
        rates, equal = {}, True
        for count in (400000, 100, 1):
            for name in ("blackspot", peer):
                rows = min(count, batch) if name == peer else count
                rows = min(rows, 8000) if setting.quick else rows
                answer = workers[name].ask({
                    "task": "score", "rows": setting.path("trees.npy"), "count": rows,
                    "doubles": doubles, "model": setting.path(file),
                    "kept": setting.path("margins.npy"), "seconds": setting.seconds(2)})
                rates.setdefault(name, []).append(answer["seconds"] / rows)
                equal = equal and answer["equal"]
        cases.append({"what": what, "peer": peer, "equal": equal, "ours": rates["blackspot"],
                      "theirs": rates[peer]})
    for worker in workers.values():
        worker.close()
    return cases


def text(document):
    head = ["model", "ours, M rows/s", "the library's own", "faster", "goal", "100 rows, us",
            "its own", "one row, us", "its own", "margins"]
    rows = []
    for case, goal in zip(document["cases"], GOALS):
        ours, theirs = case["ours"], case["theirs"]
        rows.append([case["what"], three_digits(1e-6 / ours[0]), three_digits(1e-6 / theirs[0]),
                     times(theirs[0], ours[0]), goal, three_digits(ours[1] * 1e8),
                     three_digits(theirs[1] * 1e8), three_digits(ours[2] * 1e6),
                     three_digits(theirs[2] * 1e6),
                     "equal bits" if case["equal"] else "differ"])
    return table(head, rows)
