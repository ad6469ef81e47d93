"""What is left of a class's options when another class takes its place.

jsonargparse keeps every option that the new class has too, also those that nobody gave: with a default of AdamW, Adam
and SGD silently got AdamW's weight decay of 0.01. Here only those that differ from the former class's own default stay.
"""

from typing import Any

from jsonargparse import _typehints

_discard = _typehints.discard_init_args_on_class_path_change


def _discard_defaults(parser_or_action: Any, prev_val: Any, value: Any) -> None:
    if prev_val and prev_val.get("init_args") and prev_val["class_path"] != value["class_path"]:
        options = getattr(parser_or_action, "sub_add_kwargs", {})
        defaults = _typehints.ActionTypeHint.get_class_parser(prev_val["class_path"], options).get_defaults()
        given = prev_val["init_args"]
        for key in list(given.keys()):
            if given[key] == defaults.get(key):
                given.pop(key)
    _discard(parser_or_action, prev_val, value)


def install() -> None:
    """Make jsonargparse forget the defaults of the former class."""
    _typehints.discard_init_args_on_class_path_change = _discard_defaults
