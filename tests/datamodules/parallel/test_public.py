from pathlib import Path

from datamodules.parallel import Multi30k

SAMPLES = Path(__file__).parents[2] / "samples"


def test_multi30k_in_its_layout() -> None:
    module = Multi30k(root=str(SAMPLES), max_tokens=200)
    module.setup("fit")
    module.setup("test")
    assert [len(module.datasets[split]) for split in ("train", "val", "test")] == [44, 6, 5]
    other = Multi30k(root=str(SAMPLES), test_set="test_2017_flickr", source="de", target="fr")
    assert other.read("test").target != module.read("test").target
