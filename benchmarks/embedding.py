"""Skip-gram against gensim: words per second and what the vectors are worth, on the same words with the same options.

    python -m benchmarks.embedding --epochs 5 20 [--gensim PYTHON]

gensim may live in another environment, whose interpreter ``--gensim`` names. Both get the lower-cased words of
``datamodules.corpus.NLTKCorpora``, vectors of 100, a window of 5, 5 negatives, and as many threads as there are cores;
words are counted before rare and frequent ones are left out. Neither counts reading the text.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch

from benchmarks.probes import Stopwatch, train
from datamodules.corpus import NLTKCorpora
from modules.embedding import SkipGram

GENSIM = """
import json, sys, time
from gensim.models import Word2Vec
path, epochs, threads, folder, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
lines = [line.split() for line in open(path, encoding="utf-8")]
model = Word2Vec(vector_size=100, window=5, negative=5, sg=1, min_count=5, sample=1e-3, workers=threads, seed=seed)
model.build_vocab(lines)
start = time.perf_counter()
model.train(lines, total_examples=model.corpus_count, epochs=epochs)
seconds = time.perf_counter() - start
scores = {name: model.wv.evaluate_word_pairs(f"{folder}/{file}")[1][0]
          for name, file in (("wordsim353", "wordsim353.tsv"), ("simlex999", "simlex999.txt"))}
print(json.dumps({"seconds": seconds, **scores}))
"""


def ours(epochs: int, seed: int) -> dict[str, float]:
    torch.manual_seed(seed)
    data, clock = NLTKCorpora(), Stopwatch()
    data.seed = seed
    task = SkipGram()
    trainer = train(task, data, [clock], max_epochs=epochs)
    (scores,) = trainer.test(task, datamodule=data, verbose=False)
    return {"seconds": clock.seconds, **{name.removeprefix("test/"): value for name, value in scores.items()}}


def gensim(python: str, corpus: Path, epochs: int, seed: int) -> dict[str, float]:
    folder = str(NLTKCorpora().root / "word_eval")
    words = [python, "-c", GENSIM, str(corpus), str(epochs), str(torch.get_num_threads()), folder, str(seed)]
    found: dict[str, float] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--repeats", type=int, default=1, help="seeds")
    parser.add_argument("--gensim", default=sys.executable, help="Python interpreter that has gensim")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    data = NLTKCorpora()
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.txt"
        lines = [words for words in data._words() if words]
        corpus.write_text("\n".join(" ".join(words) for words in lines), encoding="utf-8")
        num_words = sum(map(len, lines))
        for epochs in options.epochs:
            for seed in range(1, options.repeats + 1):
                for name, scores in (
                    ("leyden", ours(epochs, seed)),
                    ("gensim", gensim(options.gensim, corpus, epochs, seed)),
                ):
                    rate = num_words * epochs / scores["seconds"]
                    print(
                        f"{name} {epochs:3} epochs, seed {seed}: {rate / 1e6:.2f} M words/s, "
                        f"WordSim-353 {scores['wordsim353']:.3f}, SimLex-999 {scores['simlex999']:.3f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
