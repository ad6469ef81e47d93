"""Public datasets of texts to classify."""

from pathlib import Path

import torch

from datamodules.text import SST2, TREC

SAMPLES = Path(__file__).parents[2] / "samples"


def texts_of(data, split):
    return [(text.text, text.label) for text in data.read(split)]


def test_trec_splits_and_latin1():
    data = TREC(root=str(SAMPLES))
    data.setup("fit")
    assert data.facts.classes == ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]
    assert data.facts.class_counts == [9] * 6
    train, val, test = (texts_of(data, split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (54, 6, 12)
    assert any("café" in text for text, _ in train + val + test)
    fine = TREC(root=str(SAMPLES), coarse=False)
    fine.setup("test")
    assert fine.facts.classes[0] == "ABBR:exp"


def test_sst2():
    data = SST2(root=str(SAMPLES))
    data.setup("fit")
    assert (data.facts.classes, data.facts.class_counts) == (["negative", "positive"], [20, 20])


def test_many_workers_make_the_same_batches():
    def batches(num_workers):
        data = SST2(root=str(SAMPLES), batch_size=4, num_workers=num_workers, ngrams=20)
        data.setup("fit")
        return [(*inputs, target) for inputs, target in data.loader("train")]

    for one, two in zip(batches(0), batches(2), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
