"""Figures of arrays: what results and data look like."""

from pdejax.plot.style import DIFFERENCE as DIFFERENCE
from pdejax.plot.style import DIVERGING as DIVERGING
from pdejax.plot.style import FAINT as FAINT
from pdejax.plot.style import INK as INK
from pdejax.plot.style import MARK as MARK
from pdejax.plot.style import SEQUENTIAL as SEQUENTIAL
from pdejax.plot.style import STRONG as STRONG
from pdejax.plot.style import SYSTEM_COLOURS as SYSTEM_COLOURS
from pdejax.plot.style import SYSTEM_LINES as SYSTEM_LINES
from pdejax.plot.style import figure as figure
from pdejax.plot.style import inline_svg as inline_svg
from pdejax.plot.style import png as png
from pdejax.plot.style import settle as settle
from pdejax.plot.style import style as style
