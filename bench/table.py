"""How the numbers look in a table of Markdown."""
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


def three_digits(value):
    if value <= 0:  # a difference of two times that noise swallowed
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def ms(seconds):
    return three_digits(seconds * 1e3)


def us(seconds):
    return three_digits(seconds * 1e6)


def times(slow, fast):
    if slow is None or fast is None or slow <= 0 or fast <= 0:
        return "-"
    ratio = slow / fast
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.1f}x"


def goal(value):
    return "-" if value is None else f"{value:g}x"


def share(limit, seconds):
    return f"{100 * limit / seconds:.0f} %" if seconds > 0 else "-"


def megabytes(count):
    return f"{count / MEGABYTE:.0f}"


def shape(case):
    """n x d, k, and the covariance of a mixture."""
    text = f"{case['rows']:,} x {case['columns']}, {case['k']}"
    return f"{text} {case['covariance']}" if "covariance" in case else text
