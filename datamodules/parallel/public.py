"""Multi30k, a public dataset of parallel text."""

from typing import Literal

from datamodules.files.fetch import fetch
from datamodules.parallel.own import ParallelText
from datamodules.parallel.reading import Pairs

SHA256 = {
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2017_flickr.en.gz": "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
    "test_2017_flickr.de.gz": "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
}


class Multi30k(ParallelText):
    """Captions of 31,014 Flickr photographs in English, German and French (Elliott et al. 2016), task 1, raw text.

    29,000 pairs to train on, 1,014 to validate on, 1,000 in each test set. They are for research and education only.

    Args:
        source: Language to translate from: ``en``, ``de`` or ``fr``.
        target: Language to translate into.
        test_set: Which test set.
        num_tokens: Tokens of the vocabulary, learned by byte-pair encoding on the training pairs.
        joint: Whether both languages share one vocabulary.
        max_length: Tokens of the longest sentence.
        max_tokens: Bound on (sentences) x (longest length) of a batch, per process; ``batch_size`` rules if not given.
        text: One sentence to translate by ``leyden predict``, instead of ``predict_path``.
        root: Folder of datasets; this one lies in ``root/multi30k``.
        batch_size: Pairs in a batch, per process, if there is no ``max_tokens``.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Text file of sentences to translate, one a line.
    """

    URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"

    def __init__(
        self,
        source: Literal["en", "de", "fr"] = "en",
        target: Literal["en", "de", "fr"] = "de",
        test_set: Literal["test_2016_flickr", "test_2017_flickr"] = "test_2016_flickr",
        num_tokens: int = 8000,
        joint: bool = True,
        max_length: int = 256,
        max_tokens: int | None = None,
        text: str | None = None,
        root: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(
            "", source, target, num_tokens, joint, max_length, max_tokens,
            text=text, root=root, batch_size=batch_size, num_workers=num_workers, predict_path=predict_path,
        )  # fmt: skip
        self.path = self.root / "multi30k"
        self.test_set = test_set

    def download(self) -> None:
        """Fetch the files of both languages."""
        for split in ("train", "val", self.test_set):
            for language in (self.source, self.target):
                name = f"{split}.{language}.gz"
                fetch(f"{self.URL}/{name}", self.path / name, SHA256.get(name))

    def read(self, split: str) -> Pairs:
        """Read the pairs of a split."""
        return self._read(self.path / (self.test_set if split == "test" else split))
