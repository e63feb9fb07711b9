"""Runs the benchmark: see bench/run, which makes the environment this needs."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import cold
import fit
import iteration
import job
import limits
import loading
import measure
import mixtures
import profiling
import reading
import report
import rows
import scaling
import scoring
import trees

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
SECTIONS = {"job": job, "reading": reading, "iteration": iteration, "fit": fit, "cold": cold,
            "scoring": scoring, "mixtures": mixtures, "trees": trees, "loading": loading,
            "scaling": scaling, "rows": rows, "profile": profiling}
PACKAGES = {"scikit-learn": ["scikit-learn"], "scikit-learn-intelex": ["scikit-learn-intelex"],
            "faiss": ["faiss-cpu"], "polars": ["polars"], "pandas": ["pandas"],
            "pandas + scikit-learn": ["pandas", "scikit-learn"],
            "xgboost": ["xgboost"], "lightgbm": ["lightgbm"],
            "oneDAL": ["scikit-learn-intelex"], "tl2cgen": ["tl2cgen", "treelite"],
            "polars + scikit-learn-intelex": ["polars", "scikit-learn-intelex"]}


class Setting:
    """What every section needs to know."""

    def __init__(self, options, folder):
        self.quick = options.quick
        self.threads = options.threads
        self.seeds = 2 if options.quick else options.seeds
        self.inits = options.inits.split(",")
        self.largest = 10**6 if options.quick else options.largest
        self.data_dir = options.data_dir
        self.folder = folder
        self.root = ROOT
        self.peers = os.path.join(HERE, "peers")
        self.config = os.path.join(HERE, "config")
        self.program = os.path.join(options.build_dir, "blackspot")
        self.shared_object = os.path.join(options.build_dir, "libblackspot.so")
        self.missing = set()
        self.limits = limits.machine(self)

    def path(self, name):
        return os.path.join(self.folder, name)

    def repeats(self, full):
        return 2 if self.quick else full

    def seconds(self, full):
        """Time to spend on a measurement that is repeated while it lasts."""
        return 0.2 if self.quick else full

    def scaled(self, n):
        """Rows of a shape: a fiftieth for --quick."""
        return max(n // 50, 2000) if self.quick else n

    def environment(self, threads=None):
        count = str(threads or self.threads)
        return dict(os.environ, OMP_NUM_THREADS=count, POLARS_MAX_THREADS=count)

    def there(self, libraries):
        """Those whose packages are installed; the others are named once."""
        for name in libraries:
            lacking = [package for package in PACKAGES[name] if not measure.installed(package)]
            if lacking and name not in self.missing:
                self.missing.add(name)
                self.say(f"{name}: left out, since {', '.join(lacking)} is not installed")
        return [name for name in libraries if name not in self.missing]

    def peer(self, script, *arguments):
        return [sys.executable, os.path.join(self.peers, script), *map(str, arguments)]

    def run_peer(self, script, *arguments):
        return measure.run_process(self.peer(script, *arguments), self.environment())

    def worker(self, script, library, threads=None):
        """A process of its own that answers for one library (peers/SCRIPT)."""
        count = threads or self.threads
        ours = [self.shared_object] if library == "blackspot" else []
        return measure.Worker(self.peer(script, library, count, *ours), self.environment(count))

    def run_ours(self, *arguments):
        return measure.run_process([self.program, *map(str, arguments), "--threads",
                                    str(self.threads), "--quiet"])

    def blobs(self, n, d, k, seed):
        """Files of rows and of k of them as starting centres; the last ones are overwritten."""
        files = self.path("rows.npy"), self.path("start.npy")
        self.run_peer("blobs.py", n, d, k, seed, *files)
        return files

    def say(self, text):
        print(text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="small sizes, two repeats: does it work? Nothing is kept")
    parser.add_argument("--data-dir", help="folder with us-nyc-points/nyc-crash-points.csv.zst")
    parser.add_argument("--only", help=f"some of {','.join(SECTIONS)}, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=20, help="whole fits of each size")
    parser.add_argument("--inits", default="auto,k-means++,k-means||",
                        help="our seedings of whole fits (default: %(default)s)")
    parser.add_argument("--largest", type=int, default=10**8,
                        help="rows where the section rows ends (default: %(default)s)")
    parser.add_argument("--build-dir", default=os.path.join(ROOT, "build-bench"),
                        help="where the release is built")
    parser.add_argument("--results", default=os.path.join(HERE, "results"))
    parser.add_argument("--report-only", action="store_true",
                        help="write the tables from bench/results/*.json again")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(SECTIONS)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        parser.error(f"--only {unknown[0]}: choose from {', '.join(SECTIONS)}")
    options.build_dir = os.path.abspath(options.build_dir)
    return options, names


def build(folder):
    if not os.path.exists(os.path.join(folder, "CMakeCache.txt")):
        subprocess.run(["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder,
                        "-DCMAKE_BUILD_TYPE=Release", "-DBLACKSPOT_TESTS=OFF"], check=True,
                       stdout=sys.stderr)
    subprocess.run(["cmake", "--build", folder], check=True, stdout=sys.stderr)


def check_layout(setting):
    """blackspot_ctypes.py must describe the structures as include/blackspot.h does."""
    declared = setting.run_peer("layout.py")["answer"]
    source = setting.path("layout.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write('#include <stddef.h>\n#include "blackspot.h"\n')
        for name, fields in declared.items():
            for field, place in fields.items():
                real = f"offsetof(struct {name}, {field})" if field else f"sizeof(struct {name})"
                file.write(f'_Static_assert({real} == {place}, "struct {name} {field}");\n')
    done = subprocess.run([os.environ.get("CC", "cc"), "-fsyntax-only", "-I",
                           os.path.join(ROOT, "include"), source], capture_output=True, text=True)
    if done.returncode != 0:
        raise measure.Failed("bench/blackspot_ctypes.py does not describe the structures as "
                             f"include/blackspot.h does:\n{done.stderr[:1000]}")


def main():
    options, names = arguments()
    readme = os.path.join(HERE, "README.md")
    if options.report_only:
        report.write(options.results, readme, SECTIONS)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    build(options.build_dir)
    folder = tempfile.mkdtemp(prefix="blackspot-bench-")
    results = os.path.join(folder, "results") if options.quick else options.results
    os.makedirs(results, exist_ok=True)
    try:
        about = measure.machine(ROOT, options.threads, os.path.join(HERE, "requirements.txt"))
        setting = Setting(options, folder)
        check_layout(setting)
        about["limits"] = setting.limits
        for name in names:
            document = {"machine": about, "quick": options.quick,
                        "cases": SECTIONS[name].run(setting)}
            with open(os.path.join(results, f"{name}.json"), "w", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
                file.write("\n")
        if options.quick:
            print(report.text(results, SECTIONS))
        else:
            report.write(results, readme, SECTIONS)
    except measure.Failed as failure:
        sys.exit(f"bench/run: {failure}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
