"""Lines over logarithmic axes as SVG, in colours that are readable on a light and a dark page."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 64, 24, 48, 56
COLOURS = ["#d9534f", "#3b8ee0", "#2fa36b", "#b07cd8", "#d08a1d"]
GREY = "#808080"


def text(x, y, words, anchor="middle", colour=GREY, size=13):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{size}">{escape(words)}</text>')


def powers_of_ten(values):
    """From the power of ten below all values to the one above."""
    return range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)


def power_name(power):
    return f"{10 ** power:,}" if power >= 0 else f"{10.0 ** power:g}"


def lines(title, x_name, y_name, series):
    """series: name -> [(x, y)], all above 0."""
    points = [point for line in series.values() for point in line]
    columns, rows = powers_of_ten([x for x, _ in points]), powers_of_ten([y for _, y in points])

    def across(x):
        part = (math.log10(x) - columns[0]) / max(1, columns[-1] - columns[0])
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def down(y):
        part = (math.log10(y) - rows[0]) / max(1, rows[-1] - rows[0])
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)

    parts = [text(WIDTH / 2, 20, title, size=15)]
    for power in columns:
        parts.append(text(across(10.0 ** power), HEIGHT - BOTTOM + 20, power_name(power)))
    for power in rows:
        y = down(10.0 ** power)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GREY}" '
                     'stroke-opacity="0.35"/>')
        parts.append(text(LEFT - 8, y + 4, power_name(power), "end"))
    parts.append(text(WIDTH / 2, HEIGHT - 12, x_name))
    parts.append(text(LEFT - 8, TOP - 12, y_name, "start"))
    for (name, line), colour in zip(series.items(), COLOURS):
        at = [(across(x), down(y)) for x, y in line]
        parts.append('<polyline fill="none" stroke-width="2" stroke="{}" points="{}"/>'.format(
            colour, " ".join(f"{x:.1f},{y:.1f}" for x, y in at)))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in at]
        parts.append(text(at[0][0] + 6, at[0][1] - 8, name, "start", colour))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">\n' +
            "\n".join(parts) + "\n</svg>\n")
