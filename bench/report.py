"""The tables of bench/README.md, from bench/results/*.json. Each stands between the lines
<!-- NAME --> and <!-- end -->."""
import json
import os
import re

import kmeans

MEGABYTE = 1e6


def table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]

    def line(cells):
        first = str(cells[0]).ljust(widths[0])
        return "| " + " | ".join([first, *(str(cell).rjust(width) for cell, width in
                                           zip(cells[1:], widths[1:]))]) + " |"
    right = [" " + "-" * (width - 1) + ": " for width in widths[1:]]
    rule = "|" + "|".join([" " + "-" * widths[0] + " ", *right]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def ms(seconds):
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def times(slow, fast):
    if slow <= 0 or fast <= 0:  # a difference of two times that noise swallowed
        return "-"
    ratio = slow / fast
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.1f}x"


def megabytes(count):
    return f"{count / MEGABYTE:.0f}"


def about(document):
    machine, limits = document["machine"], document["machine"]["limits"]
    names = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    commit = machine["commit"][:12] + (" with changes" if machine["changed_files"] else "")
    sets = ", ".join(machine["instruction_sets"])
    return (f"{machine['cpu']}, {machine['cores']} cores ({sets}), {machine['threads']} threads; "
            f"{limits['read_gb_per_s']:.0f} GB/s of reads and {limits['fma_gflops']:.0f} GFLOP/s "
            f"of float32 multiply-adds, measured in the same run.\n"
            f"{names}. Commit {commit}, {machine['date']}.")


def job_table(document):
    ours = next(row for row in document["cases"] if row["name"] == "blackspot")
    rows = [[row["name"], ms(row["wall"]["min"]), ms(row["wall"]["median"]),
             ms(row["cpu"]["median"]), megabytes(row["peak_bytes"]), f"{row['rows']:,}",
             f"{row['inertia']:,.0f}",
             "-" if row is ours else times(row["wall"]["median"], ours["wall"]["median"])]
            for row in document["cases"]]
    parts = []
    for row in document["cases"]:
        seconds = ", ".join(f"{name} {ms(value)}" for name, value in row["seconds"].items())
        parts.append(f"- {row['name']}: {seconds}")
    spent = "\n\nWhere the quickest run spent its milliseconds, by its own clock:\n\n"
    return table(["one process", "min ms", "median ms", "CPU ms", "peak MB", "rows", "inertia",
                  "ours is faster"], rows) + spent + "\n".join(parts)


def reading_table(document):
    rows = []
    for case in document["cases"]:
        ours, polars = case["blackspot"], case["polars"]
        matrix = polars.get("matrix_seconds")
        rows.append([case["name"], f"{case['file_bytes'] / MEGABYTE:.0f}",
                     ms(ours["warm"]["min"]), ms(ours["warm"]["median"]),
                     ms(ours["seconds"]["median"]), ms(ours["wall"]["median"]),
                     ms(polars["seconds"]["min"]), ms(polars["seconds"]["median"]),
                     ms(matrix["median"]) if matrix else "-",
                     ms(case["pandas"]["seconds"]["median"]),
                     times(polars["seconds"]["median"], ours["warm"]["median"]),
                     f"{megabytes(case['peak_bytes'])} of {megabytes(case['allowed_bytes'])}"])
    return table(["file to float32 matrix", "MB", "ours min", "ours", "ours, cold",
                  "ours, cold process", "polars min", "polars", "polars matrix", "pandas",
                  "against polars", "peak MB, allowed"], rows)


def shape(case):
    return f"{case['rows']:,} x {case['columns']}, {case['k']}"


def iteration_table(document):
    rows = []
    for case in document["cases"]:
        limit = kmeans.limit_seconds(case["rows"], case["columns"], case["k"],
                                     document["machine"]["limits"])
        step = case["iteration"]
        ours = step["blackspot"]["min"]
        peers = {name: step[name]["min"] for name in kmeans.PEERS if name in step}
        bound = max(limit, key=limit.get)
        rows.append([shape(case), f"{ms(limit[bound])} {bound}", ms(ours),
                     f"{100 * limit[bound] / ours:.0f} %" if ours > 0 else "-"] +
                    [ms(peers[name]) if name in peers else "-" for name in kmeans.PEERS] +
                    [times(peers["scikit-learn"], ours), times(min(peers.values()), ours),
                     f"{100 * case['near_ties']:.3f} %"])
    return table(["n x d, k", "limit", "ours", "limit / ours", *kmeans.PEERS,
                  "against scikit-learn",
                  "against the best", "near ties"], rows)


def fit_table(document):
    rows = []
    for case in document["cases"]:
        fit = case["fit"]
        ours = fit["blackspot"]
        cells = [shape(case)]
        for name in ["blackspot", *kmeans.PEERS]:
            worse = fit[name]["mean_inertia"] / ours["mean_inertia"] - 1
            note = "" if name == "blackspot" else f", {100 * worse:+.2f} %"
            cells.append(f"{ms(fit[name]['seconds']['median'])} "
                         f"({fit[name]['mean_iterations']:.0f}{note})")
        rows.append(cells + [times(fit["scikit-learn"]["seconds"]["median"],
                                   ours["seconds"]["median"]),
                             megabytes(case["command"]["peak_bytes"])])
    return table(["n x d, k", "ours", *kmeans.PEERS, "against scikit-learn", "command's peak MB"],
                 rows)


def profile_table(document):
    rows = []
    for case in document["cases"]:
        shares = ", ".join(f"{row['function']} {row['share']:.0f} %" for row in case["shares"])
        rows.append([case["name"], shares])
    return "\n".join([f"- {name}: {shares}" for name, shares in rows])


TABLES = {"job": [("job", job_table)], "reading": [("reading", reading_table)],
          "kmeans": [("iteration", iteration_table), ("fit", fit_table)],
          "profile": [("profile", profile_table)]}


def sections(results):
    """(marker, text) of every result that is there."""
    for name, tables in TABLES.items():
        path = os.path.join(results, f"{name}.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
            for marker, make in tables:
                yield marker, make(document) + "\n\n" + about(document)


def text(results):
    return "\n\n".join(f"{marker}\n\n{body}" for marker, body in sections(results))


def write(results, readme):
    with open(readme, encoding="utf-8") as file:
        page = file.read()
    for marker, body in sections(results):
        pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, found = pattern.subn(lambda match, body=body: match[1] + body + "\n" + match[2], page)
        if found != 1:
            raise SystemExit(f"{readme}: no place marked <!-- {marker} -->")
    with open(readme, "w", encoding="utf-8") as file:
        file.write(page)
