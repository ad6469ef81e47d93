"""Multi30k, a public dataset of parallel text."""

from typing import Any, ClassVar, Literal

from datamodules.fetch import fetch
from datamodules.parallel.base import ParallelData
from datamodules.parallel.reading import Pairs, read_files

Language = Literal["en", "de", "fr"]


class Multi30k(ParallelData):
    """Captions of 31,014 Flickr photographs in English, German and French (Elliott et al. 2016), task 1, raw text.

    29,000 pairs to train on, 1,014 to validate on, 1,000 in each test set. They are for research and education only.

    Args:
        source: Language to translate from.
        target: Language to translate into.
        test_set: Which test set.
        **kwargs: Vocabulary, batch size and the like: see ``datamodules.parallel.base.ParallelData``.
    """

    changeable = frozenset({"test_set"})

    folder = "multi30k"
    url = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
    files: ClassVar = {
        "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
        "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
        "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
        "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
        "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
        "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
        "test_2017_flickr.en.gz": "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
        "test_2017_flickr.de.gz": "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
    }

    def __init__(
        self,
        source: Language = "en",
        target: Language = "de",
        test_set: Literal["test_2016_flickr", "test_2017_flickr"] = "test_2016_flickr",
        **kwargs: Any,
    ) -> None:
        super().__init__(source=source, target=target, **kwargs)
        self.test_set = test_set

    def download(self) -> None:
        """Fetch the files of both languages."""
        for split in ("train", "val", self.test_set):
            for language in (self.source, self.target):
                name = f"{split}.{language}.gz"
                fetch(self.url + name, self.root / self.folder / name, self.files.get(name))

    def read(self, split: str) -> Pairs:
        """Read the pairs of a split."""
        stem = self.root / self.folder / (self.test_set if split == "test" else split)
        first, second = (stem.with_name(f"{stem.name}.{language}.gz") for language in (self.source, self.target))
        return read_files(first, second)
