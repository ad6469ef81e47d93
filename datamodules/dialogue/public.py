"""DailyDialog, a public dataset of dialogues."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

from datamodules.dialogue.base import DialogueData
from datamodules.dialogue.reading import Dialogue, Dialogues, read_daily_dialog


class DailyDialog(DialogueData):
    """13,118 everyday dialogues of learners' English, 7.9 turns each (Li et al. 2017); CC BY-NC-SA 4.0.

    11,118 dialogues to train on, 1,000 to validate and 1,000 to test on. Its splits share dialogues: about a quarter of
    the test replies follow the very same turn in training. ``unseen`` leaves such dialogues out of validation and test.

    Args:
        unseen: Evaluate on dialogues only of which no two successive turns occur in training.
        **kwargs: Turns, candidates, vocabulary and the like: see ``datamodules.dialogue.base.DialogueData``.
    """

    changeable = frozenset({"unseen"})

    folder = "daily_dialog"
    url = (
        "https://raw.githubusercontent.com/Ls-Dai/Deep-Reinforcement-Learning-for-Dialogue-Generation-in-PyTorch/"
        "bae51b16e3e8c0ce4ffd70b75ecfc40fbeb8e7ee/data/"
    )
    files: ClassVar = {
        "train.zip": "6191257f8250da0e045bfd1d017645e15b2358df975ec4c5c431a5a1f99662a4",
        "validation.zip": "f068cf7526a56ab5f26e99b74ce9edbc2766f7b060a3c6cef035920b0dd28153",
        "test.zip": "5f9526a5ce4b8af4ca237aa3ff38cbf03becbc596c70b0974d7f5f9af2ea0615",
    }

    def __init__(self, unseen: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.unseen = unseen

    def read(self, split: str) -> Dialogues:
        """Read the dialogues of a split."""
        name = "validation" if split == "val" else split
        whole = read_daily_dialog(self.root / self.folder / f"{name}.zip")
        if not self.unseen or split == "train":
            return whole
        seen = {pair for dialogue in self._raw("train").dialogues for pair in _successive(dialogue)}
        return Dialogues([dialogue for dialogue in whole.dialogues if seen.isdisjoint(_successive(dialogue))])


def _successive(dialogue: Dialogue) -> Iterator[tuple[str, str]]:
    """Each turn and the next, in letters and digits alone."""
    plain = ["".join(filter(str.isalnum, turn.lower())) for turn in dialogue.turns]
    yield from pairwise(plain)
