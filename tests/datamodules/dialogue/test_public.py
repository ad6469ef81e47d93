import zipfile
from pathlib import Path

import pytest

from datamodules.dialogue import DailyDialog
from datamodules.dialogue.reading import Dialogue

SAMPLES = Path(__file__).parents[2] / "samples"


def test_daily_dialog():
    data = DailyDialog(root=str(SAMPLES), num_tokens=300)
    assert [len(data.read(split).dialogues) for split in ("train", "val", "test")] == [60, 24, 24]
    assert not any("__eou__" in turn or " ?" in turn for turns, _ in data.read("train").dialogues for turn in turns)
    data.prepare_data()  # nothing to fetch
    data.setup("fit")
    assert len(data.datasets["train"]) > 60


def test_a_checkpoint_needs_no_dataset_to_answer(tmp_path, monkeypatch):
    data = DailyDialog(root=str(SAMPLES), num_tokens=300)
    data.setup("fit")
    again = DailyDialog(root=str(tmp_path), text="Tea ?")
    again.load_state_dict(data.state_dict())
    monkeypatch.setattr(again, "download", lambda: pytest.fail("it was downloaded"))
    again.prepare_data()
    again.setup("predict")
    assert len(again.datasets["predict"]) == 1


def test_unseen_dialogues_only(tmp_path):
    for split, lines in (
        ("train", ["Hi ! __eou__ How do you do ? __eou__ Fine . __eou__"]),
        ("test", ["Hi __eou__ Bye . __eou__", "Oh . __eou__ how do you do __eou__ Fine ! __eou__"]),
    ):
        (tmp_path / "daily_dialog").mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / "daily_dialog" / f"{split}.zip", "w") as archive:
            archive.writestr(f"{split}/dialogues_{split}.txt", "\n".join(lines) + "\n")
    assert len(DailyDialog(root=str(tmp_path)).read("test").dialogues) == 2
    assert DailyDialog(root=str(tmp_path), unseen=True).read("test").dialogues == [Dialogue(["Hi", "Bye."])]
