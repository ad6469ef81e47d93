"""Makes the tiny text samples, in the layouts of the real datasets. Everything in them is invented.

python tests/samples/make_texts.py
"""

import csv
import io
import json
import random
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent

ASKED = {
    "ABBR:exp": ["What does {a} stand for ?", "What is the abbreviation of {a} ?"],
    "DESC:def": ["What is a {a} ?", "Why does a {a} sleep ?"],
    "ENTY:animal": ["What animal eats a {a} ?", "Which fruit does the {a} like ?"],
    "HUM:ind": ["Who painted the {a} ?", "Who first saw a {a} ?"],
    "LOC:other": ["Where does the {a} live ?", "In what town is the {a} ?"],
    "NUM:count": ["How many legs has a {a} ?", "How old is the {a} ?"],
}
THINGS = ["heron", "lantern", "otter", "canal", "windmill", "tulip", "barge", "plum", "clock", "café"]
GOOD = ["lovely", "warm", "funny", "bright", "moving"]
BAD = ["dull", "cold", "clumsy", "grey", "tired"]


def trec(rng: random.Random) -> None:
    folder = HERE / "trec"
    folder.mkdir(exist_ok=True)
    for name, times in (("train_5500.label", 10), ("TREC_10.label", 2)):
        lines = [
            f"{label} {rng.choice(asked).format(a=rng.choice(THINGS))}"
            for label, asked in ASKED.items()
            for _ in range(times)
        ]
        rng.shuffle(lines)
        (folder / name).write_bytes(("\n".join(lines) + "\n").encode("latin-1"))


def review(rng: random.Random, label: int) -> str:
    words = GOOD if label else BAD
    one, two = rng.choice(THINGS), rng.choice(THINGS)
    return f"a {rng.choice(words)} film about the {one} , and the {two} is {rng.choice(words)} ."


def sst2(rng: random.Random) -> None:
    folder = HERE / "sst2"
    folder.mkdir(exist_ok=True)
    for name, count in (("train", 40), ("dev", 10), ("test", 10)):
        lines = [f"{i % 2} {review(rng, i % 2)}" for i in range(count)]
        (folder / f"stsa.binary.{name}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def own(rng: random.Random) -> None:
    folder = HERE / "texts"
    folder.mkdir(exist_ok=True)
    rows = [(review(rng, i % 2), ("negative", "positive")[i % 2]) for i in range(40)]
    for name, separator in (("reviews.csv", ","), ("reviews.tsv", "\t")):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=separator, lineterminator="\n")
            writer.writerows([("text", "label"), *rows])
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (folder / "reviews.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "unlabelled.txt").write_text("a warm film about the otter\n\nzzz qqq\n", encoding="utf-8")
    (folder / "book.txt").write_text("\n".join(review(rng, i % 2) for i in range(60)) + "\n", encoding="utf-8")
    for i, (text, label) in enumerate(rows[:20]):
        place = folder / "by_class" / label
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:02}.txt").write_text(text + "\n", encoding="utf-8")


def packed(path: Path, files: dict[str, bytes]) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
        return
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def corpora(rng: random.Random) -> None:
    folder = HERE / "text_corpora"
    folder.mkdir(exist_ok=True)
    text = ["\n".join(review(rng, i % 2) for i in range(30)) for _ in range(6)]
    tagged = "\n\n".join(" ".join(f"{word}/x" for word in line.split()) for line in text[0].split("\n"))
    packed(folder / "brown.zip", {"brown/ca01": tagged.encode(), "brown/README": b"not a text"})
    packed(folder / "state_union.zip", {"state_union/1901-Nobody.txt": text[1].encode()})
    packed(folder / "inaugural.zip", {"inaugural/1902-Nobody.txt": (text[2] + " café").encode("latin-1")})
    packed(folder / "webtext.zip", {"webtext/otters.txt": text[3].encode()})
    reviews = {
        f"movie_reviews/{('neg', 'pos')[i % 2]}/cv{i:03}.txt": f"{review(rng, i % 2)}\n{review(rng, i % 2)}\n".encode()
        for i in range(20)
    }
    packed(folder / "movie_reviews.tar.gz", reviews)
    folder = HERE / "word_eval"
    folder.mkdir(exist_ok=True)
    pairs = [
        ("lovely", "warm", 9.0),
        ("funny", "bright", 8.5),
        ("dull", "cold", 8.0),
        ("grey", "tired", 7.5),
        ("lovely", "dull", 1.0),
    ]
    pairs += [("warm", "otter", 2.0), ("film", "canal", 3.0), ("heron", "otter", 7.0), ("zzz", "otter", 5.0)]
    for name in ("wordsim353.tsv", "simlex999.txt"):
        lines = ["# invented", *(f"{a}\t{b}\t{score}" for a, b, score in pairs)]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "questions-words.txt").write_text(": moods\nlovely dull warm cold\nFunny clumsy bright grey\na b zzz d\n")


def encoder() -> None:
    """A BERT with random weights and letters for tokens, where the real one would lie."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'-:;"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + letter for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    marks = {
        "unk_token": "[UNK]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    folder = HERE / "sentence-transformers" / "all-MiniLM-L6-v2"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **marks).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(folder)


if __name__ == "__main__":
    rng = random.Random(0)
    trec(rng)
    sst2(rng)
    own(rng)
    corpora(rng)
    encoder()
