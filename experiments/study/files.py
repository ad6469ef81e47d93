"""All runs of a study are on the same data: the user's files must not change while it is under way."""

from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import data_of
from datamodules.files.fingerprint import fingerprint

if TYPE_CHECKING:
    from optuna import Study

FILES = "files"  # fingerprints by path, as an attribute of the study


class SameFiles(Callback):
    """Keeps what the files of the first run are like, and refuses to go on with others.

    Args:
        study: Keeps it.
    """

    def __init__(self, study: "Study") -> None:
        self.study = study

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note the files that no run had before, which have just been read."""
        known = self.study.user_attrs.get(FILES, {})
        new = {str(path): fingerprint([path]) for path in data_of(trainer).sources if str(path) not in known}
        if new:
            self.study.set_user_attr(FILES, known | new)

    def check(self) -> None:
        """Compare the files with what they were.

        Raises:
            MisconfigurationException: If one has changed.
        """
        for path, then in self.study.user_attrs.get(FILES, {}).items():
            if fingerprint([Path(path)]) != then:
                raise MisconfigurationException(
                    f"{path} is not what it was when the study {self.study.study_name} began, so new runs would not go "
                    "with those that are done: put it back as it was, or begin another study with --name"
                )
