"""The report's page: its style sheet and small pieces of escaped HTML."""

import html
import math
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from pdejax.plot import INK, figure, inline_svg

CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --strong: #000; --faint: #d0d7de; --soft: #57606a; --page: #fff;
  --panel: #f6f8fa; --accent: #0072b2; --warning: #a63c00; }
@media (prefers-color-scheme: dark) { :root { --ink: #d6dce3; --strong: #fff; --faint: #3a424c; --soft: #9aa4af;
  --page: #14181d; --panel: #1c2229; --accent: #56b4e9; --warning: #ff9d66; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--faint); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; max-width: 46rem; } .soft { color: var(--soft); font-size: .9rem; }
.warning { color: var(--warning); font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .7rem; margin: 1.2rem 0; }
.card { background: var(--panel); border: 1px solid var(--faint); border-radius: .5rem; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.45rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card span { display: block; font-size: .82rem; color: var(--soft); }
.wide { overflow-x: auto; margin: .6rem 0; }
sup { line-height: 0; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { text-align: right; padding: .35rem .5rem; border-bottom: 1px solid var(--faint); vertical-align: top;
  white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; } thead th { white-space: normal; min-width: 5.2rem; line-height: 1.3; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--page);
  min-width: 8rem; max-width: 14rem; white-space: normal; }
tr.model th, tr.model td { background: var(--panel); font-weight: 600; }
td small, th small { display: block; color: var(--soft); font-weight: 400; font-size: .76rem; }
table.facts th, table.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
table.facts th { width: 11rem; font-weight: 400; color: var(--soft); vertical-align: top; }
figure { margin: 1rem 0 1.6rem; } figcaption { color: var(--soft); font-size: .88rem; margin-top: .3rem; }
figure svg { display: block; width: 100%; min-width: 24rem; max-width: 52rem; height: auto; }
figure > div { overflow-x: auto; }
.equation svg { height: 1.9rem; max-width: 100%; width: auto; display: block; margin: .3rem 0; }
pre { background: var(--panel); border: 1px solid var(--faint); border-radius: .5rem; padding: .8rem; overflow-x: auto;
  font: .8rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
summary { cursor: pointer; color: var(--accent); margin: .6rem 0; }
svg image { image-rendering: pixelated; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
@media print { details > * { display: block; } }
"""

PAGE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$css</style>
</head>
<body><main>
$body
</main></body>
</html>
""")


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page; `title` is plain text, `parts` are HTML."""
    return PAGE.substitute(title=escape(title), css=CSS, body="\n".join(part for part in parts if part))


def escape(value: Any) -> str:
    """Plain text as HTML."""
    return html.escape(str(value))


def number(value: float | None, digits: int = 3) -> str:
    """A number for people, as HTML: three significant digits, powers of ten where they read better."""
    if value is None or not math.isfinite(value):
        return "n/a"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
        return text.replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.replace('-', '−')}·10<sup>{str(int(exponent)).replace('-', '−')}</sup>"


def interval(low: float, high: float) -> str:
    """Both ends of an interval, with one power of ten for both."""
    size = max(abs(low), abs(high))
    if size == 0 or 1e-3 <= size < 1e5:
        return f"{number(low)} … {number(high)}"
    exponent = math.floor(math.log10(size))
    ends = " … ".join(number(float(f"{x / 10.0**exponent:.3g}")) for x in (low, high))
    return f"({ends})·10<sup>{str(exponent).replace('-', '−')}</sup>"


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    unit, size = next((u for u in (("s", 1.0), ("ms", 1e-3)) if value >= u[1]), ("µs", 1e-6))
    return f"{value / size:.3g} {unit}"


def words(value: Any) -> str:
    """A nested plain value as one line, as HTML: `a = 1, b = (c = 2)`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{escape(k)} = {_nested(v)}" for k, v in value.items()) or "none"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return " … ".join(map(words, value)) if len(value) == 2 else ", ".join(map(words, value))
    return escape("none" if value is None else value)


def _nested(value: Any) -> str:
    return f"({words(value)})" if isinstance(value, Mapping) else words(value)


def facts(rows: Mapping[str, str]) -> str:
    """A two-column table; names are plain text, values are HTML."""
    lines = (f"<tr><th>{escape(name)}</th><td>{value}</td></tr>" for name, value in rows.items())
    return f'<div class="wide"><table class="facts"><tbody>{"".join(lines)}</tbody></table></div>'


def table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A table with a first column that stays in sight; rows are (class, cells), all HTML."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f'<tr class="{kind}">{"".join(f"<td>{c}</td>" for c in cells)}</tr>' for kind, cells in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def card(value: str, text: str) -> str:
    """A number that is seen first, with what it is; both HTML."""
    return f'<div class="card"><b>{value}</b><span>{text}</span></div>'


def cards(each: Iterable[str]) -> str:
    """Several of them in a row."""
    return f'<div class="cards">{"".join(each)}</div>'


def notes(each: Iterable[str]) -> str:
    """A list of sentences, HTML."""
    return "<ul>" + "".join(f"<li>{note}</li>" for note in each) + "</ul>"


def formulas(latex: Sequence[str], terms: Sequence[str], name: str, longest: int = 10_000) -> str:
    """Terms as formulas; as they were written where one is longer or matplotlib does not know a command."""
    short = latex and all(len(line) <= longest for line in latex)
    shown = [formula(line, f"{name}{i}") for i, line in enumerate(latex)] if short else [None]
    if None in shown:
        return "".join(f"<p><code>{escape(term)}</code></p>" for term in terms)
    return "".join(map(str, shown))


def picture(made: Figure, name: str, caption: str) -> str:
    """A figure as inline SVG; `caption` is HTML, `name` labels it."""
    image = inline_svg(made, name, escape(name.replace("_", " ")))
    return f"<figure><div>{image}</div><figcaption>{caption}</figcaption></figure>"


def formula(latex: str, name: str) -> str | None:
    """A formula as inline SVG, or none if matplotlib's mathtext does not know its commands."""
    text = f"${latex.strip().strip('$')}$"
    try:
        width, height, depth, *_ = MathTextParser("path").parse(text, dpi=72, prop=FontProperties(size=14))
    except ValueError:
        return None
    made = figure((width + 4) / 72, (height + depth + 4) / 72)
    made.set_layout_engine("none")
    made.text(0, (depth + 2) / (height + depth + 4), text, fontsize=14, color=INK, va="baseline")
    return f'<div class="equation">{inline_svg(made, name, escape(latex))}</div>'
