"""Figures as pictures, with the user's names in them."""

import io
import re
import warnings
from typing import TYPE_CHECKING

from lightning.pytorch.utilities.rank_zero import rank_zero_warn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# With letters that matplotlib's own font lacks: of Linux, Windows and macOS.
FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Source Han Sans SC",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "Yu Gothic",
    "Malgun Gothic", "Nirmala UI", "PingFang SC", "Hiragino Sans GB", "Hiragino Sans", "Apple SD Gothic Neo",
    "Arial Unicode MS", "Noto Sans Devanagari", "Noto Sans Thai", "Leelawadee UI", "Noto Emoji",
    "Segoe UI Emoji", "Symbola",
)  # fmt: skip
LACKS = re.compile(r"Glyph (\d+) .* missing from")

_TOLD: set[str] = set()  # letters of which it was said


def drawn(figure: "Figure", dpi: int) -> bytes:
    """A figure as a PNG. Names in it are no formulas; letters that no font of the machine has are told once.

    Args:
        figure: A matplotlib figure.
        dpi: Pixels an inch.
    """
    from matplotlib import font_manager, rcParams
    from matplotlib.text import Text

    there = {font.name for font in font_manager.fontManager.ttflist}
    fonts = [*rcParams["font.family"], *(name for name in FONTS if name in there)]
    for text in figure.findobj(Text):  # names of the user, in which $ is no formula
        text.set_parse_math(False)
        text.set_fontfamily(fonts)
    content = io.BytesIO()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure.savefig(content, format="png", dpi=dpi)
    lacking = set()
    for warning in told:
        found = LACKS.match(str(warning.message))
        if found is None:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        else:
            lacking.add(chr(int(found[1])))
    new = sorted(lacking - _TOLD)
    _TOLD.update(new)
    if new:
        shown = "".join(new[:10]) + ("..." if len(new) > 10 else "")
        rank_zero_warn(
            f"no font of this machine has the letters {shown}: pictures show boxes in their place (with Noto Sans CJK "
            "installed, they show Chinese, Japanese and Korean)"
        )
    return content.getvalue()
