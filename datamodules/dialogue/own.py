"""The user's own dialogues."""

from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.dialogue.base import DialogueData
from datamodules.dialogue.reading import Dialogues, find_files
from datamodules.pairs import check_fractions, share


class DialogueText(DialogueData):
    """Your own dialogues, in which two people speak in turn.

    ``path`` is a table with a dialogue a row (JSON lines, Parquet, CSV in any dialect, Excel), or a folder of one or of
    ``train``, ``val`` and ``test`` ones. A row holds one of

    - ``turns`` (or ``dialog``), a list of what is said: ``{"turns": ["Hello!", "Hi, how are you?"]}``;
    - ``messages``: ``[{"role": "user", "content": "..."}, {"role": "assistant", ...}]``, or ``conversations`` with
      ``from`` and ``value``: only what the assistant says is a reply, system messages are left out;
    - ``question`` and ``answer``, ``prompt`` and ``completion`` or ``response``, ``instruction`` and ``output``.

    Splits without a file get a share of the training dialogues, drawn at random.

    Args:
        path: Where the dialogues are.
        val_fraction: Share of the dialogues to validate on, if there is no file for that.
        test_fraction: Share of the dialogues to test on, if there is no file for that.
        separator: Between the cells of a CSV; told from the file if not given.
        **kwargs: Turns, candidates, vocabulary and the like: see ``datamodules.dialogue.base.DialogueData``.
    """

    def __init__(
        self,
        path: str,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        separator: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_fractions(val_fraction, test_fraction)
        self.path, self.separator = Path(path), separator
        self.fractions = {"val": val_fraction, "test": test_fraction}

    def read(self, split: str) -> Dialogues:
        """Read the dialogues of a split."""
        files = find_files(self.path)
        if split in files and split != "train":
            return self.open_dialogues(files[split])
        if "train" not in files:
            raise MisconfigurationException(f"{self.path} holds no training dialogues, only {', '.join(files)}")
        val, test = (0.0 if name in files else fraction for name, fraction in self.fractions.items())
        if "whole" not in self._cache:
            self._cache["whole"] = self.open_dialogues(files["train"])
        whole = self._cache["whole"].dialogues
        return Dialogues([whole[i] for i in share(self, len(whole), split, val, test, str(files["train"]))])
