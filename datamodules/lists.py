"""Lists in a cell of text, as JSON, Python and numpy write them."""

import ast
import json
import re

_TEXT = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_NUMBER = r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_VALUE = rf"(?:{_TEXT}|{_NUMBER}|None|nan|True|False|np\.True_|np\.False_)"
_ITEM = rf"(?:np\.\w+\({_VALUE}\)|{_VALUE})"  # np.str_('a'), as numpy's own texts are written in a list
_COMMAS = rf"{_ITEM}(?:\s*,\s*{_ITEM})*"
_BLANKS = rf"{_ITEM}(?:\s+{_ITEM})*"  # ['a' 'b'], an array of numpy; Python would read the one text 'ab'
_FLAT = re.compile(
    rf"\[\s*(?:{_COMMAS}\s*,?|{_BLANKS})?\s*\]|\((?:\s*{_COMMAS}\s*,\s*|\s*{_ITEM}\s*,\s*{_COMMAS}\s*)?\)"
    rf"|\{{\s*{_COMMAS}\s*,?\s*\}}|set\(\)",
    re.DOTALL,
)
_ITEMS = re.compile(rf"(?:np\.\w+\()?({_VALUE})", re.DOTALL)
_SEEMS = re.compile(r"""\[\s*['"].*\]|\[[0-9\s.,eE+-]*\]""", re.DOTALL)


def list_in(cell: object) -> list[object] | None:
    """The list that a cell of text holds, None if it holds none.

    Args:
        cell: ``["a", "b"]`` (JSON), ``['a', 'b']``, ``('a', 'b')``, ``{'a', 'b'}`` (Python), ``['a' 'b']`` (numpy), or
            anything else.
    """
    if not isinstance(cell, str) or cell.strip()[-1:] not in ("]", ")", "}"):
        return None
    text = cell.strip()
    if text[0] == "[":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list):
            return found
    if not _FLAT.fullmatch(text) or text == "set()":
        return [] if text == "set()" else None
    return [_value(item) for item in _ITEMS.findall(text)]


def seems_list(cell: object) -> bool:
    """Whether a cell begins and ends as a list of texts or of numbers does, be it one or not."""
    return isinstance(cell, str) and _SEEMS.fullmatch(cell.strip()) is not None


def why_no_list(cell: str) -> str:
    """What to say of a cell that seems to be a list, and is none."""
    cut = " (an array that was shortened when it was written)" if "..." in cell else ""
    return f'{cell[:60]!r} looks like a list, but is none{cut}; a list is written `["a", "b"]`'


def _value(text: str) -> object:
    if text in ("None", "nan"):
        return None
    if text in ("np.True_", "np.False_"):
        return text == "np.True_"
    if text[0] in "'\"TF":
        return ast.literal_eval(text)
    return float(text) if re.search("[.eE]", text) else int(text)
