"""Runs the benchmark: see bench/run, which makes the environment this needs."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import job
import kmeans
import measure
import profiling
import reading
import report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CASES = {"job": job.run, "reading": reading.run, "kmeans": kmeans.run,
         "profile": profiling.run}


class Setting:
    """What every case needs to know."""

    def __init__(self, options, folder):
        self.quick = options.quick
        self.threads = options.threads
        self.seeds = 2 if options.quick else options.seeds
        self.data_dir = options.data_dir
        self.folder = folder
        self.root = ROOT
        self.peers = os.path.join(HERE, "peers")
        self.config = os.path.join(HERE, "config")
        self.program = os.path.join(options.build_dir, "blackspot")
        self.shared_object = os.path.join(options.build_dir, "libblackspot.so")
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads),
                                POLARS_MAX_THREADS=str(options.threads))

    def path(self, name):
        return os.path.join(self.folder, name)

    def repeats(self, full):
        return 2 if self.quick else full

    def peer(self, script, *arguments):
        return [sys.executable, os.path.join(self.peers, script), *map(str, arguments)]

    def run_peer(self, script, *arguments):
        return measure.run_process(self.peer(script, *arguments), self.environment)

    def run_ours(self, *arguments):
        return measure.run_process([self.program, *map(str, arguments), "--threads",
                                    str(self.threads), "--quiet"])

    def say(self, text):
        print(text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="small sizes, two repeats: does it work? Nothing is kept")
    parser.add_argument("--data-dir", help="folder with us-nyc-points/nyc-crash-points.csv.zst")
    parser.add_argument("--only", help="some of job,reading,kmeans,profile, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=20, help="whole fits of each size")
    parser.add_argument("--build-dir", default=os.path.join(ROOT, "build-bench"),
                        help="where the release is built")
    parser.add_argument("--results", default=os.path.join(HERE, "results"))
    parser.add_argument("--report-only", action="store_true",
                        help="write the tables from bench/results/*.json again")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(CASES)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        parser.error(f"--only {unknown[0]}: choose from {', '.join(CASES)}")
    options.build_dir = os.path.abspath(options.build_dir)
    return options, names


def build(folder):
    if not os.path.exists(os.path.join(folder, "CMakeCache.txt")):
        subprocess.run(["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder,
                        "-DCMAKE_BUILD_TYPE=Release", "-DBLACKSPOT_TESTS=OFF"], check=True,
                       stdout=sys.stderr)
    subprocess.run(["cmake", "--build", folder], check=True, stdout=sys.stderr)


def limits(setting):
    """What the machine could do at best: reads from memory, float32 multiply-adds."""
    program = setting.path("limits")
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math",
                    "-ffp-contract=fast", os.path.join(HERE, "limits.c"), "-o", program,
                    "-lpthread"], check=True)
    return measure.run_process([program, str(setting.threads)])["answer"]


def main():
    options, names = arguments()
    readme = os.path.join(HERE, "README.md")
    if options.report_only:
        report.write(options.results, readme)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    build(options.build_dir)
    folder = tempfile.mkdtemp(prefix="blackspot-bench-")
    results = os.path.join(folder, "results") if options.quick else options.results
    os.makedirs(results, exist_ok=True)
    try:
        setting = Setting(options, folder)
        about = measure.machine(ROOT, options.threads, os.path.join(HERE, "requirements.txt"))
        about["limits"] = limits(setting)
        for name in names:
            document = {"machine": about, "quick": options.quick, "cases": CASES[name](setting)}
            with open(os.path.join(results, f"{name}.json"), "w", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
                file.write("\n")
        if options.quick:
            print(report.text(results))
        else:
            report.write(results, readme)
    except measure.Failed as failure:
        sys.exit(f"bench/run: {failure}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
