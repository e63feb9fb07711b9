"""Writes the tables of bench/README.md from bench/results/*.json. Each stands between the lines
<!-- NAME --> and <!-- end -->; a section is a module with a function `text` of its document."""
import json
import os
import re


def about(document):
    machine, limits = document["machine"], document["machine"]["limits"]
    names = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    commit = machine["commit"][:12] + (" with changes" if machine["changed_files"] else "")
    sets = ", ".join(machine["instruction_sets"])
    double = ""
    if "fma_gflops_double" in limits:
        double = f" and {limits['fma_gflops_double']:.0f} of float64"
    return (f"{machine['cpu']}, {machine['cores']} cores ({sets}), {machine['threads']} threads; "
            f"{limits['read_gb_per_s']:.0f} GB/s of reads, {limits['fma_gflops']:.0f} GFLOP/s "
            f"of float32 multiply-adds{double}, measured in the same run.\n"
            f"{names}. Commit {commit}, {machine['date']}.")


def texts(results, sections):
    """(name, text) of every section whose result is there."""
    for name, section in sections.items():
        path = os.path.join(results, f"{name}.json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
            if document["cases"]:
                yield name, section.text(document) + "\n\n" + about(document)


def draw(results, sections):
    """The pictures that belong to tables."""
    for name, section in sections.items():
        path = os.path.join(results, f"{name}.json")
        if hasattr(section, "picture") and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                target, drawing = section.picture(json.load(file))
            with open(os.path.join(results, target), "w", encoding="utf-8") as file:
                file.write(drawing)


def text(results, sections):
    draw(results, sections)
    return "\n\n".join(f"{name}\n\n{body}" for name, body in texts(results, sections))


def write(results, readme, sections):
    draw(results, sections)
    with open(readme, encoding="utf-8") as file:
        page = file.read()
    for name, body in texts(results, sections):
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, found = pattern.subn(lambda match, body=body: match[1] + body + "\n" + match[2], page)
        if found != 1:
            raise SystemExit(f"{readme}: no place marked <!-- {name} -->")
    with open(readme, "w", encoding="utf-8") as file:
        file.write(page)
