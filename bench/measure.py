"""Measuring: a process from outside (time, peak memory, its line of JSON), a worker that answers
requests, and the machine in words. Standard library only, so that this process stays small: Linux
hands a parent's size down to its children's peak."""
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time


class Failed(Exception):
    pass


def run_process(arguments, environment=None):
    """Runs a program to its end: wall seconds, peak resident bytes, its JSON answer."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
                                 env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        text = out.read().decode()
        if child.returncode != 0:
            raise Failed(f"{' '.join(arguments)}: exit code {child.returncode}\n"
                         f"{errors.read().decode(errors='replace')[-2000:]}")
    return {"wall": seconds, "peak_bytes": usage.ru_maxrss * 1024,
            "cpu": usage.ru_utime + usage.ru_stime,
            "answer": json.loads(text) if text.strip() else None}


PAUSE = 0.02  # seconds before a request: threads of the library asked before still spin for a while


class Worker:
    """A process that answers a line of JSON with a line of JSON, and stays warm in between."""

    def __init__(self, arguments, environment=None):
        self.errors = tempfile.TemporaryFile()
        self.arguments = arguments
        self.child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self.errors, env=environment, text=True)

    def ask(self, request):
        time.sleep(PAUSE)
        try:
            self.child.stdin.write(json.dumps(request) + "\n")
            self.child.stdin.flush()
            line = self.child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.errors.seek(0)
            raise Failed(f"{' '.join(self.arguments)} ended\n"
                         f"{self.errors.read().decode(errors='replace')[-2000:]}")
        return json.loads(line)

    def close(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait()
        self.errors.close()


def summary(values):
    """What is kept of repeated measurements."""
    return {"min": min(values), "median": statistics.median(values), "runs": len(values)}


def in_turn(contestants, repeats):
    """Calls each contestant once, then again, and so on: name -> list of results. A slow spell of
    the machine so meets all of them."""
    results = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, call in contestants.items():
            results[name].append(call())
    return results


def per_iteration(contestants, first, last, repeats):
    """Seconds of one iteration: the least of the fits stopped after `last` iterations less the
    least of those stopped after `first`, since the difference of two noisy times would be noise;
    beside it the same of the medians. contestants: name -> function from a number of iterations to
    an answer; `last` may be a dictionary by name."""
    def stop(name):
        return last[name] if isinstance(last, dict) else last

    asked = {(name, steps): (lambda call=call, steps=steps: call(steps))
             for name, call in contestants.items() for steps in (first, stop(name))}
    for call in asked.values():
        call()
    answers = in_turn(asked, repeats)
    found = {}
    for name in contestants:
        short, long = answers[name, first], answers[name, stop(name)]
        steps = long[0]["iterations"] - short[0]["iterations"]
        if steps > 0:
            found[name] = {"iterations": long[0]["iterations"], "runs": repeats}
            for key, of in (("min", min), ("median", statistics.median)):
                found[name][key] = (of(answer["seconds"] for answer in long) -
                                    of(answer["seconds"] for answer in short)) / steps
    return found


def repeats_within(seconds, calls, least, most):
    """How often all calls fit into so many seconds; makes each of them once."""
    begin = time.perf_counter()
    for call in calls:
        call()
    return max(least, min(most, int(seconds / (time.perf_counter() - begin))))


def versions(requirements):
    """Of Python and what is installed of the peers."""
    found = {"python": platform.python_version()}
    with open(requirements, encoding="utf-8") as file:
        for line in file:
            name = line.split("#")[0].partition("==")[0].strip()
            if name and installed(name):
                found[name] = importlib.metadata.version(name)
    return found


def installed(package):
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def machine(root, threads, requirements):
    model, memory = "unknown", 0
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = ""
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            if key.strip() == "flags":
                flags = value
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) * 1024

    def git(*arguments):
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True)
        return done.stdout.strip()

    sets = [name for name in ("avx2", "fma", "avx512f", "amx_bf16") if f" {name} " in f"{flags.strip()} "]
    return {"cpu": model, "cores": os.cpu_count(), "threads": threads, "instruction_sets": sets,
            "memory_bytes": memory, "system": platform.platform(),
            "commit": git("rev-parse", "HEAD"),
            "changed_files": bool(git("status", "--porcelain", "--untracked-files=no")),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "load_before": os.getloadavg()[0], "versions": versions(requirements)}
