"""What English word vectors are tested on: word lists with people's judgements, and analogies."""

from pathlib import Path

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from datamodules.fetch import fetch
from datamodules.files.opening import read_lines
from datamodules.types import Questions

FOLDER = "word_eval"
URL = "https://raw.githubusercontent.com/RaRe-Technologies/gensim/develop/gensim/test/test_data/"
SIMILARITY = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}
ANALOGIES = "questions-words.txt"
CHECKSUMS = {
    "wordsim353.tsv": "f92a022fc2537793a15bc3a8c162ebcd74990e033a228bb6388cb71e4c0b1e1d",
    "simlex999.txt": "d5e0501971478a511430ee880bd0121e94ac701ba86d90544d83e6d2ba3db05d",
    "questions-words.txt": "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
}


def fetch_word_lists(root: Path) -> None:
    """Fetch the lists into a folder of ``root``, unless they lie there.

    Raises:
        MisconfigurationException: If they cannot be fetched; the message names the option that does without them.
    """
    for name, checksum in CHECKSUMS.items():
        try:
            fetch(URL + name, root / FOLDER / name, checksum)
        except MisconfigurationException as error:
            raise MisconfigurationException(
                f"{error}; or test the vectors without these English word lists: --data.word_lists false"
            ) from error


def read_questions(folder: Path, ids: dict[str, int]) -> Questions:
    """Read the lists, as far as their words are known.

    Args:
        folder: Where they lie.
        ids: Number of each word that has a vector.
    """
    similarity = []
    for name, file in SIMILARITY.items():
        rows = [line.split("\t") for line in read_lines(folder / file) if not line.startswith("#")]
        known = [(ids[a.lower()], ids[b.lower()], float(s)) for a, b, s in rows if {a.lower(), b.lower()} <= ids.keys()]
        rank_zero_info(f"{file}: {len(known)} of {len(rows)} pairs have known words")
        pairs = torch.tensor([row[:2] for row in known], dtype=torch.long).reshape(-1, 2)
        similarity.append((name, pairs, torch.tensor([row[2] for row in known])))
    lines = [line.lower().split() for line in read_lines(folder / ANALOGIES) if not line.startswith(":")]
    analogies = [[ids[word] for word in line] for line in lines if len(line) == 4 and all(w in ids for w in line)]
    rank_zero_info(f"{ANALOGIES}: {len(analogies)} of {len(lines)} analogies have known words")
    if not analogies and not any(len(pairs) for _, pairs, _ in similarity):
        rank_zero_warn("no vectors of the English words of these lists: --data.word_lists false tests the loss instead")
    return Questions(similarity, torch.tensor(analogies, dtype=torch.long).reshape(-1, 4))
