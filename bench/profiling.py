"""Where the time goes: functions by their share of samples (perf), for the main job, reading and
three fits; where perf or its counters are missing, by their share of instructions (callgrind)."""
import os
import re
import shutil
import subprocess

import job
import measure
import reading

SMALLEST = 1.5  # per cent


def perf(setting, arguments, repeats):
    """(function, whether it is the system's kernel's, share)"""
    data = setting.path("perf.data")
    loop = 'n=$1; shift; for i in $(seq "$n"); do "$@" >/dev/null || exit 1; done'
    command = ["sh", "-c", loop, "sh", str(repeats), *arguments]
    subprocess.run(["perf", "record", "-q", "-F", "4000", "-o", data, "--", *command], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # a separator and the symbol; all threads of the program share its name
    done = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-q", "--comm",
                           "blackspot", "--sort", "symbol", "-t", "|"], check=True,
                          capture_output=True, text=True)
    os.remove(data)
    found = re.findall(r"^\s*([\d.]+)%?\s*\|\s*\[([.k])\]\s*(\S+)", done.stdout, re.MULTILINE)
    return [(name, where == "k", float(share)) for share, where, name in found]


def callgrind(setting, arguments, _repeats):
    """One run: instructions are counted, not sampled. valgrind has no AVX-512, so the program takes
    its AVX2 path, and sees nothing of the system's kernel."""
    data = setting.path("callgrind.out")
    subprocess.run(["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={data}",
                    *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = subprocess.run(["callgrind_annotate", "--threshold=99", data], check=True,
                          capture_output=True, text=True)
    os.remove(data)
    found = re.findall(r"^ *[\d,]+ \( *([\d.]+)%\) +[^:\n]*:(\S+)", done.stdout, re.MULTILINE)
    return [(name, False, float(share)) for share, name in found]


def tool(setting):
    """The first of the two that works here: (name, function)."""
    trial = [setting.program, "--version"]
    for name, programs, profile in (("perf", ["perf"], perf),
                                    ("callgrind", ["valgrind", "callgrind_annotate"], callgrind)):
        lacking = [program for program in programs if shutil.which(program) is None]
        if lacking:
            setting.say(f"profile: no {lacking[0]} here")
            continue
        try:
            profile(setting, trial, 1)
        except subprocess.CalledProcessError as failure:
            setting.say(f"profile: {name} does not work here (exit code {failure.returncode})")
            continue
        return name, profile
    return None, None


def shares_of(found):
    """Functions of the program above SMALLEST, and the system's kernel as one."""
    total = sum(share for _, _, share in found) or 1.0
    shares = [{"function": name, "share": 100 * share / total}
              for name, kernel, share in found
              if not kernel and 100 * share / total >= SMALLEST]
    inside = sum(share for _, kernel, share in found if kernel)
    if inside > 0:
        shares.append({"function": "the system's kernel", "share": 100 * inside / total})
    return sorted(shares, key=lambda row: -row["share"])


def jobs(setting):
    """(name, runs, arguments)"""
    repeats = 3 if setting.quick else 30
    model, matrix = setting.path("model.json"), setting.path("matrix.npy")
    table, points = job.accidents(setting), reading.new_york(setting)
    config = os.path.join(setting.root, "config", "gb-2015.yaml")
    yield ("the main job", repeats, ["train", "kmeans", "--config", config, "--input", table,
                                     "--output", model, "--k", 5, "--n-init", 10])
    if points:
        config = os.path.join(setting.config, "nyc-seven.yaml")
        yield ("New York points to a matrix", repeats,
               ["prepare", "--config", config, "--input", points, "--output", matrix])
    for kind, n, d, k in (("KMeans", 1_000_000, 4, 5), ("KMeans", 500_000, 32, 64),
                          ("a mixture", 200_000, 16, 8)):
        rows = setting.path(f"rows-{d}.npy")
        setting.run_peer("blobs.py", setting.scaled(n), d, k, 2015, rows, setting.path("start.npy"))
        kmeans = kind == "KMeans"
        yield (f"{kind} of {n:,} x {d}, {k}", max(2, repeats // 10),
               ["train", "kmeans" if kmeans else "gmm", "--input", rows, "--output", model,
                "--k", k])


def run(setting):
    name, profile = tool(setting)
    if profile is None:
        setting.say("profile: left out; perf or valgrind is needed")
        return []
    cases = []
    for what, repeats, arguments in jobs(setting):
        setting.say(f"profile: {what} ({name})")
        command = [setting.program, *map(str, arguments), "--threads", str(setting.threads),
                   "--quiet"]
        try:
            cases.append({"name": what, "tool": name,
                          "shares": shares_of(profile(setting, command, repeats))})
        except subprocess.CalledProcessError as failure:
            raise measure.Failed(f"{name} of {what}: {failure}") from failure
    return cases


def text(document):
    lines = []
    for case in document["cases"]:
        shares = ", ".join(f"{row['function']} {row['share']:.0f} %" for row in case["shares"])
        lines.append(f"- {case['name']}: {shares}")
    by = {"perf": "Samples of perf.", "callgrind": "Instructions, AVX2 path, by callgrind."}
    return by[document["cases"][0].get("tool", "perf")] + "\n\n" + "\n".join(lines)
