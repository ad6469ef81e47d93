"""DailyDialog, a public dataset of dialogues."""

from collections.abc import Iterator
from itertools import pairwise

from datamodules.dialogue.own import Dialogues, DialogueText
from datamodules.dialogue.reading import Turns, read_daily_dialog
from datamodules.files.fetch import fetch


class DailyDialog(DialogueText):
    """13,118 everyday dialogues of learners' English, 7.9 turns each (Li et al. 2017); CC BY-NC-SA 4.0.

    11,118 dialogues to train on, 1,000 to validate and 1,000 to test on. Its splits share dialogues: about a quarter of
    the test replies follow the very same turn in training. ``unseen`` leaves such dialogues out of validation and test.

    Args:
        num_turns: Turns that a reply depends on.
        candidates: Replies to choose from in validation and test, the true one among them; 0 to write replies.
        num_replies: Replies of the training split that predictions choose from: the most frequent ones.
        num_tokens: Tokens of the vocabulary, learned by byte-pair encoding on the training turns.
        tokenizer: Name or folder of a pretrained tokenizer, instead of a vocabulary of one's own; with candidates only.
        max_length: Tokens of the longest context, and of the longest reply.
        max_tokens: Bound on (pairs) x (longest length) of a batch, per process; ``batch_size`` rules if not given.
        unseen: Evaluate on dialogues only of which no two successive turns occur in training.
        text: Something said, to reply to by ``leyden predict``, instead of ``predict_path``.
        root: Folder of datasets; this one lies in ``root/daily_dialog``.
        batch_size: Pairs in a batch, per process, if there is no ``max_tokens``.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Dialogues (``.jsonl``) whose last turn wants a reply, or a text file of such turns, one a line.
    """

    URL = (
        "https://raw.githubusercontent.com/Ls-Dai/Deep-Reinforcement-Learning-for-Dialogue-Generation-in-PyTorch/"
        "bae51b16e3e8c0ce4ffd70b75ecfc40fbeb8e7ee/data"
    )
    ARCHIVES = {  # noqa: RUF012
        "train": "6191257f8250da0e045bfd1d017645e15b2358df975ec4c5c431a5a1f99662a4",
        "validation": "f068cf7526a56ab5f26e99b74ce9edbc2766f7b060a3c6cef035920b0dd28153",
        "test": "5f9526a5ce4b8af4ca237aa3ff38cbf03becbc596c70b0974d7f5f9af2ea0615",
    }

    def __init__(
        self,
        num_turns: int = 3,
        candidates: int = 0,
        num_replies: int = 10000,
        num_tokens: int = 8000,
        tokenizer: str | None = None,
        max_length: int = 128,
        max_tokens: int | None = None,
        unseen: bool = False,
        text: str | None = None,
        root: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(
            "", num_turns, candidates, num_replies, num_tokens, tokenizer, max_length, max_tokens,
            text=text, root=root, batch_size=batch_size, num_workers=num_workers, predict_path=predict_path,
        )  # fmt: skip
        self.path = self.root / "daily_dialog"
        self.unseen = unseen

    def download(self) -> None:
        """Fetch the three archives."""
        for name, checksum in self.ARCHIVES.items():
            fetch(f"{self.URL}/{name}.zip", self.path / f"{name}.zip", checksum)

    def read(self, split: str) -> Dialogues:
        """Read the dialogues of a split."""
        dialogues = read_daily_dialog(self.path / f"{'validation' if split == 'val' else split}.zip")
        if self.unseen and split != "train":
            seen = {pair for turns in self._raw("train").dialogues for pair in _successive(turns)}
            dialogues = [turns for turns in dialogues if seen.isdisjoint(_successive(turns))]
        return Dialogues(dialogues)


def _successive(turns: Turns) -> Iterator[tuple[str, str]]:
    """Each turn and the next, in letters and digits alone."""
    plain = ["".join(filter(str.isalnum, turn.lower())) for turn in turns]
    yield from pairwise(plain)
