"""Real accidents through blackspot and through scikit-learn: see tests/sklearn_check.

1. From the same starting centres, moved off the rows' lattice so that no exact tie decides, tol 0:
   equal labels, equal numbers of iterations (the confirming pass included), centres to 1e-9 of the
   column's range, inertia to 1e-9.
2. With centres on the lattice, where rows are equally far from two of them: blackspot's labels are
   those of the written rule, computed here with fractions; and what scikit-learn's rounding did."""
import argparse
import fractions
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy
import sklearn
from sklearn.cluster import KMeans

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOLERANCE = 1e-9
CLUSTERS = (2, 5, 12, 20)


class Refused(Exception):
    """The program ended with an error; the message is its own."""


class Blackspot:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments), "--quiet"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Refused(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip() else None

    def prepare(self, name, config, inputs):
        matrix = self.path(name + ".npy")
        given = [word for path in inputs for word in ("--input", path)]
        self.run("prepare", "--config", config, *given, "--output", matrix)
        return matrix

    def train(self, matrix, start, max_iter=100000):
        """The result line and the model document, from given centres with tol 0."""
        numpy.save(self.path("start.npy"), start)
        model = self.path("model.json")
        found = self.run("train", "kmeans", "--input", matrix, "--output", model, "--k", len(start),
                         "--init", self.path("start.npy"), "--tol", 0, "--max-iter", max_iter)
        with open(model, encoding="utf-8") as file:
            return found, json.load(file)

    def labels(self, document, matrix):
        model, output = self.path("model.json"), self.path("labels.npy")
        with open(model, "w", encoding="utf-8") as file:
            json.dump(document, file)
        self.run("score", "--model", model, "--input", matrix, "--output", output)
        return numpy.load(output).reshape(-1)


def datasets(data_dir):
    """name, configuration, input files; those that are not there are left out with a word."""
    config = os.path.join(ROOT, "config")
    numbers = os.path.join(ROOT, "bench", "config", "nyc-seven.yaml")
    points = "us-nyc-points/nyc-crash-points.csv.zst"
    yield "GB 2015", os.path.join(config, "gb-2015.yaml"), \
        [os.path.join(ROOT, "data", "gb-2015", "Accidents_2015.csv.gz")]
    for name, file, pattern in (
            ("FARS 2013-15", os.path.join(config, "us-fars.yaml"),
             "us-fars/accident_201[345].csv.gz"),
            ("NYC points", numbers, points),
            ("NYC points, scaled", os.path.join(config, "us-nyc-points.yaml"), points)):
        inputs = sorted(glob.glob(os.path.join(data_dir, pattern))) if data_dir else []
        if inputs:
            yield name, file, inputs
        else:
            print(f"{name}: no {pattern} in --data-dir, left out", file=sys.stderr)


def starting_centres(rng, distinct, k):
    """Different rows, moved by an irrational share of the columns' spread."""
    rows = distinct[rng.choice(len(distinct), k, replace=False)]
    return rows + rng.normal(0, 0.01 * numpy.sqrt(2), rows.shape) * distinct.std(axis=0)


def compare(blackspot, matrix, x, start):
    """One fit by both: a dictionary of the numbers compared, and whether they agree."""
    found, document = blackspot.train(matrix, start)
    peer = KMeans(len(start), init=start, n_init=1, algorithm="lloyd", tol=0.0,
                  max_iter=100000).fit(x)
    centres = numpy.array(document["kmeans"]["centres"]).reshape(start.shape)
    span = x.max(axis=0) - x.min(axis=0)
    span[span == 0] = 1
    result = {
        "labels": int((blackspot.labels(document, matrix) != peer.labels_).sum()),
        "iterations": (found["iterations"], peer.n_iter_),
        "centres": float((abs(centres - peer.cluster_centers_) / span).max()),
        "inertia": abs(found["inertia"] - peer.inertia_) / max(peer.inertia_, 1e-300)}
    empty = len(start) - len(numpy.unique(peer.labels_))
    result["equal"] = (result["labels"] == 0 and found["iterations"] == peer.n_iter_ and
                       result["centres"] <= TOLERANCE and result["inertia"] <= TOLERANCE and
                       empty == 0)
    return result


def exact_labels(distinct, centres):
    """The written rule without rounding: lowest index among the nearest; whether it is a tie."""
    labels, tied = [], []
    centres = [[fractions.Fraction(value) for value in centre] for centre in centres]
    for row in distinct:
        row = [fractions.Fraction(float(value)) for value in row]
        d2 = [sum((a - b) ** 2 for a, b in zip(row, centre)) for centre in centres]
        nearest = min(d2)
        labels.append(d2.index(nearest))
        tied.append(d2.count(nearest) > 1)
    return numpy.array(labels), numpy.array(tied)


def compare_ties(blackspot, matrix, x, rng, k):
    """Labels under centres that are rows themselves, so that many rows are equally far from two."""
    distinct, inverse = numpy.unique(x, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    chosen = distinct[rng.choice(len(distinct), k, replace=False)]
    _, document = blackspot.train(matrix, chosen, max_iter=1)
    document["kmeans"]["centres"] = \
        chosen.tolist() if isinstance(document["kmeans"]["centres"][0], list) else \
        chosen.ravel().tolist()
    sample = rng.choice(len(distinct), min(len(distinct), 20000), replace=False)
    labels, tied = exact_labels(distinct[sample], chosen)
    place = numpy.full(len(distinct), -1)
    place[sample] = numpy.arange(len(sample))
    known = place[inverse] >= 0
    expected = labels[place[inverse[known]]]
    ties = tied[place[inverse[known]]]
    ours = blackspot.labels(document, matrix)[known]
    # scikit-learn's fit takes the mean off rows and centres before its first assignment
    middle = x.mean(axis=0)
    peer = KMeans(k, init=chosen, n_init=1, max_iter=1, tol=0.0).fit(x)
    peer.cluster_centers_ = chosen - middle
    theirs = peer.predict(x - middle)[known]
    return {"rows": int(known.sum()), "ties": int(ties.sum()),
            "ours_off": int((ours != expected).sum()),
            "theirs_off": int((theirs != expected).sum()),
            "theirs_off_without_tie": int((theirs != expected)[~ties].sum())}


def compare_fits(blackspot, name, matrix, x, options, rng):
    """Prints a row for each fit; returns how many differ."""
    distinct = numpy.unique(x, axis=0)
    failures = 0
    for k in CLUSTERS:
        for _ in range(options.starts):
            found = compare(blackspot, matrix, x, starting_centres(rng, distinct, k))
            failures += not found["equal"]
            print(f"| {name} | {x.shape[0]:,} x {x.shape[1]} | {k} | "
                  f"{found['iterations'][0]}, {found['iterations'][1]} | "
                  f"{found['labels']} | {found['centres']:.1e} | {found['inertia']:.1e} | "
                  f"{'equal' if found['equal'] else 'DIFFERENT'} |", flush=True)
    return failures


def print_ties(ties):
    print("\nCentres that are rows themselves, so that rows may be equally far from two:\n\n"
          "| data | k | rows | exact ties | ours off the rule | scikit-learn off the rule | "
          "of these without a tie |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, k, found in ties:
        print(f"| {name} | {k} | {found['rows']:,} | {found['ties']:,} | {found['ours_off']} | "
              f"{found['theirs_off']:,} | {found['theirs_off_without_tie']:,} |")


def main():
    parser = argparse.ArgumentParser(prog="tests/sklearn_check")
    parser.add_argument("--data-dir")
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "blackspot"))
    parser.add_argument("--starts", type=int, default=3, help="starting centres for each k")
    options = parser.parse_args()
    rng = numpy.random.default_rng(2015)
    failures, ties = 0, []
    print(f"scikit-learn {sklearn.__version__}, numpy {numpy.__version__}\n")
    print("| data | rows x columns | k | iterations, ours and theirs | labels that differ | "
          "centres, of the range | inertia, relative | |\n"
          "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory(prefix="blackspot-sklearn-") as folder:
        blackspot = Blackspot(options.program, folder)
        for name, config, inputs in datasets(options.data_dir):
            try:
                matrix = blackspot.prepare(name.replace(" ", "-"), config, inputs)
                x = numpy.load(matrix).astype(numpy.float64)
                failures += compare_fits(blackspot, name, matrix, x, options, rng)
                for k in CLUSTERS:
                    ties.append((name, k, compare_ties(blackspot, matrix, x, rng, k)))
            except Refused as refusal:
                failures += 1
                print(f"{name}: {refusal}", file=sys.stderr)
    print_ties(ties)
    failures += sum(found["ours_off"] > 0 for _, _, found in ties)
    print(f"\n{failures} comparisons failed" if failures else "\nall comparisons agree")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
