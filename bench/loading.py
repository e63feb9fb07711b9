"""Opening large models: seconds, and peak memory seen from outside, beside the libraries themselves.
XGBoost trains a model whose trees are repeated until its JSON has a hundred megabytes; `blackspot
convert` makes the other two formats. Each opening is a process of its own (peers/opening.py)."""
import os

import measure
from table import table, three_digits

MEGABYTES = 100
REPEATS = 5
CASES = [("XGBoost JSON", "large.json", "xgboost"), ("XGBoost UBJSON", "large.ubj", "xgboost"),
         ("LightGBM text", "large.txt", "lightgbm")]


def measure_case(setting, what, path, peer):
    setting.say(f"loading: {what}")
    libraries = ["blackspot", *setting.there([peer])]
    idle = {name: setting.run_peer("opening.py", name, setting.shared_object)["peak_bytes"]
            for name in libraries}
    seconds, memory = {name: [] for name in libraries}, {name: 0 for name in libraries}
    for _ in range(setting.repeats(REPEATS)):
        for name in libraries:
            run = setting.run_peer("opening.py", name, setting.shared_object, path)
            seconds[name].append(run["answer"]["seconds"])
            memory[name] = max(memory[name], run["peak_bytes"] - idle[name])
    return {"what": what, "bytes": os.path.getsize(path),
            "seconds": {name: min(values) for name, values in seconds.items()}, "memory": memory}


def run(setting):
    if not setting.there(["xgboost"]):
        return []
    megabytes = 2 if setting.quick else MEGABYTES
    setting.run_peer("opening.py", "make", setting.path("repeated.json"), megabytes)
    for _, file, _ in CASES:  # the first also numbers the trees as XGBoost wants it
        measure.run_process([setting.program, "convert", setting.path("repeated.json"),
                             setting.path(file)])
    return [measure_case(setting, what, setting.path(file), peer) for what, file, peer in CASES]


def text(document):
    rows = []
    for case in document["cases"]:
        size = case["bytes"]
        for name, seconds in case["seconds"].items():
            rows.append([case["what"], f"{size / 1e6:.0f}", name, three_digits(1e3 * seconds),
                         three_digits(size / seconds / 1e6), f"{case['memory'][name] / 1e6:.0f}",
                         f"{case['memory'][name] / size:.1f}x"])
    return table(["model", "MB", "opened by", "ms", "MB/s", "peak MB", "of the file"], rows)
