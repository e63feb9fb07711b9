"""What the machine could do at best (limits.c measures it), and what a piece of work must at least
read and compute. Operations are slots of the unit that multiplies and adds: a fused multiply-add, a
comparison, a maximum are one each, as vectors of the machine's width."""
import os
import subprocess

import measure

EXP = 20  # operations of one exponential: a polynomial of degree 9, reduction, scaling
GOAL_SCORING = 80  # per cent of the limit


def machine(setting):
    """Builds and runs limits.c."""
    program = setting.path("limits")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "limits.c")
    subprocess.run([os.environ.get("CC", "cc"), "-O3", "-march=native", "-ffast-math",
                    "-mprefer-vector-width=512", "-ffp-contract=fast", source, "-o", program,
                    "-lpthread"], check=True)
    return measure.run_process([program, str(setting.threads)])["answer"]


def memory(count, limits):
    """Seconds to read so many bytes: at the rate of the caches while they fit."""
    rate = next((row["gb_per_s"] for row in limits["reads"] if row["bytes"] >= count),
                limits["read_gb_per_s"])
    return count / (rate * 1e9)


def kmeans_iteration(n, d, k, limits):
    """Rows and labels read; one multiply-add for each row, column and centre, one addition for
    each row and column."""
    return {"memory": memory(4 * n * d + 4 * n, limits),
            "arithmetic": (2 * n * k * d + n * d) / (limits["fma_gflops"] * 1e9)}


def kmeans_scoring(n, d, k, limits):
    """Rows read, labels written; d multiply-adds a row and centre, and five operations to keep the
    two smallest scores and the index."""
    return {"memory": memory(4 * n * d + 4 * n, limits),
            "arithmetic": 2 * n * k * (d + 5) / (limits["fma_gflops"] * 1e9)}


def density_operations(d, k, covariance):
    """Multiply-adds a row for the squared Mahalanobis distances to k means."""
    triangle = d * (d + 1) / 2
    return {"full": k * (triangle + d), "tied": triangle + k * d, "diag": k * 2 * d,
            "spherical": k * d}[covariance]


def moment_operations(d, k, covariance):
    """Multiply-adds a row for the sums of the next means and covariances."""
    triangle = d * (d + 1) / 2
    return {"full": k * (d + triangle), "tied": k * d, "diag": k * 2 * d,
            "spherical": k * (d + 1)}[covariance]


def mixture_seconds(n, d, k, operations, limits, written):
    operation = 2 / (limits["fma_gflops_double"] * 1e9)
    return {"memory": memory(4 * n * d + written, limits),
            "arithmetic": n * (operations + k * EXP) * operation,
            "exp": n * k * EXP * operation}  # a part of the arithmetic


def mixture_iteration(n, d, k, covariance, limits):
    operations = density_operations(d, k, covariance) + moment_operations(d, k, covariance)
    return mixture_seconds(n, d, k, operations, limits, 0)


def mixture_scoring(n, d, k, covariance, limits):
    """The log-likelihood of each row, 8 bytes, is written."""
    return mixture_seconds(n, d, k, density_operations(d, k, covariance), limits, 8 * n)


def tighter(limit):
    """(name, seconds) of the longer of memory and arithmetic."""
    name = max(("memory", "arithmetic"), key=limit.get)
    return name, limit[name]
