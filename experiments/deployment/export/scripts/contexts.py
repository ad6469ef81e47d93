"""Dialogues as token ids."""

from collections.abc import Sequence
from typing import Any

from experiments.deployment.export.scripts.tokens import Tokenizer


def context_of(turns: Sequence[str], tokenizer: Tokenizer, facts: dict[str, Any]) -> list[int]:
    """Token ids of what was said before a reply: as many of the last turns as fit."""
    kept: list[int] = []
    first, last, room = facts["first"], facts["last"], facts["room"]
    for place, turn in enumerate(reversed(turns[-facts["num_turns"] :])):
        ids = tokenizer.encode([turn])[0][0]
        ids = (
            [index for index in ids if index > facts["special"]]
            if facts["is_own"]
            else ids[len(first) : len(ids) - len(last)]
        )
        marked = facts["me" if place % 2 else "you"] + ids
        if place and len(kept) + len(marked) > room:
            break
        kept = marked + kept
    tokenizer.num_cut += len(kept) > room
    return [*first, *kept[:room], *last]
