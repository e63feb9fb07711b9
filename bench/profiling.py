"""Where the time goes: functions by their share of samples (perf), for the main job, reading and
two fits. Left out with a word where perf is missing."""
import os
import re
import shutil
import subprocess

import job
import reading

SMALLEST = 1.5  # per cent of the samples


def profile(setting, arguments, repeats):
    data = setting.path("perf.data")
    loop = 'n=$1; shift; for i in $(seq "$n"); do "$@" >/dev/null || exit 1; done'
    command = ["sh", "-c", loop, "sh", str(repeats), setting.program, *map(str, arguments),
               "--threads", str(setting.threads), "--quiet"]
    subprocess.run(["perf", "record", "-q", "-F", "4000", "-o", data, "--", *command], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # comm, a separator and the symbol; all threads of the program share its name
    done = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-q", "--comm",
                           "blackspot", "--sort", "symbol", "-t", "|"], check=True,
                          capture_output=True, text=True)
    os.remove(data)
    shares = []
    for line in done.stdout.splitlines():
        found = re.match(r"\s*([\d.]+)%?\s*\|\s*\[([.k])\]\s*(\S+)", line)
        if found:
            shares.append((found[3], found[2] == "k", float(found[1])))
    total = sum(share for _, _, share in shares) or 1.0
    shares = [(name, kernel, 100 * share / total) for name, kernel, share in shares]
    kept = [{"function": name, "share": share} for name, kernel, share in shares
            if share >= SMALLEST and not kernel]
    kept.append({"function": "the system's kernel",
                 "share": sum(share for _, kernel, share in shares if kernel)})
    return sorted(kept, key=lambda row: -row["share"])


def run(setting):
    if shutil.which("perf") is None:
        setting.say("profile: the program perf is needed, left out")
        return []
    repeats = 3 if setting.quick else 30
    model, matrix = setting.path("model.json"), setting.path("matrix.npy")
    table, points = job.accidents(setting), reading.new_york(setting)
    config = os.path.join(setting.root, "config", "gb-2015.yaml")
    jobs = [("the main job", repeats, ["train", "kmeans", "--config", config, "--input", table,
                                       "--output", model, "--k", 5, "--n-init", 10])]
    if points:
        config = os.path.join(setting.config, "nyc-seven.yaml")
        jobs.append(("New York points to a matrix", repeats,
                     ["prepare", "--config", config, "--input", points, "--output", matrix]))
    for n, d, k in ((1_000_000, 4, 5), (500_000, 32, 64)):
        rows = setting.path(f"rows-{d}.npy")
        setting.run_peer("blobs.py", n // (50 if setting.quick else 1), d, k, 2015, rows,
                         setting.path("start.npy"))
        jobs.append((f"a fit of {n:,} x {d}, {k} clusters", max(2, repeats // 10),
                     ["train", "kmeans", "--input", rows, "--output", model, "--k", k]))
    cases = []
    for name, count, arguments in jobs:
        setting.say(f"profile: {name}")
        cases.append({"name": name, "shares": profile(setting, arguments, count)})
    return cases
