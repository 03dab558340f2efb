"""From a result to one page that can be mailed, printed and read offline."""

from pathlib import Path

from pdejax._write import check_folder
from pdejax.core import replacing, write_text
from pdejax.evaluation.page.html import escape, page, picture
from pdejax.evaluation.page.section import Page, Picture, Section
from pdejax.evaluation.result import KINDS, Result
from pdejax.plot import png, settle, style


def write_page(result: Result, folder: str | Path) -> Path:
    """Writes `report.html`, of a comparison `comparison.html`, and `figures/*.png`.

    The page is one file without scripts or links to other places. In the folder of a run it also shows what lies
    there: `metrics.jsonl`, those of earlier stages, and `config.yaml`.

    **Arguments:** `result`; `folder`: where to write.

    **Returns:** the path of the page.
    """
    kind, folder = KINDS[result.kind], Path(folder)
    check_folder(folder / "figures")
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    with style():
        made: Page = kind.function("sections")(result, folder)
        body = [_section(one, folder / "figures") for one in made.sections if one.parts]
    path = folder / f"{kind.page}.html"
    write_text(path, page(made.title, [made.head, *body]))
    return path


def _section(section: Section, figures: Path) -> str:
    return f"<h2>{escape(section.title)}</h2>" + "".join(_part(part, figures) for part in section.parts)


def _part(part: str | Picture, figures: Path) -> str:
    """HTML as it is; a picture as a file and as inline SVG."""
    if isinstance(part, str):
        return part
    assert part.figure is not None
    with replacing(figures / f"{part.name}.png") as temporary:
        temporary.write_bytes(png(settle(part.figure)))
    return picture(part.figure, part.name, part.caption)
