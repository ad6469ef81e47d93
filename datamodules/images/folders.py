"""Finding the images in the user's folders, and saying what else lies there."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.files.faults import Faults, OnError
from datamodules.images.decoding import ENDINGS, FOREIGN, is_image
from datamodules.images.sets import ImageSet
from datamodules.split_names import is_hidden, subfolders
from datamodules.targets import composed


@dataclass
class Listing:
    """What lies in a folder.

    Attributes:
        folder: The folder.
        images: Paths of the images, in the order of their names.
        foreign: Images in formats that are not read.
        others: Files that are no images.
        broken: Links that lead nowhere, pipes and the like.
        hidden: Files and folders that are hidden, or put there by a system.
    """

    folder: Path
    images: list[Path] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)

    def add(self, folder: Path, above: tuple[str, ...] = ()) -> "Listing":
        """Add all below a folder. Links to folders are followed, but not round in circles."""
        real = os.path.realpath(folder)
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name) if real not in above else ():
            path, ending = Path(entry.path), os.path.splitext(entry.name)[1].lower()
            if is_hidden(path):
                self.hidden.append(path)
            elif entry.is_dir():
                self.add(path, (*above, real))
            elif not entry.is_file():
                self.broken.append(path)
            else:
                (self.images if ending in ENDINGS else self.foreign if ending in FOREIGN else self.others).append(path)
        return self

    def report(self, on_error: OnError) -> None:
        """Say what is left out.

        Raises:
            MisconfigurationException: If there are images that cannot be read, unless they are to be skipped.
        """
        for what, paths in (
            ("hidden files and folders", self.hidden),
            ("files that are no images", self.others),
            ("links that lead nowhere", self.broken),
        ):
            if paths:
                rank_zero_warn(f"{self.folder}: left out {len(paths)} {what}, such as {paths[0]}")
        if self.foreign:
            endings = Counter(path.suffix.lower() for path in self.foreign)
            faults = Faults(on_error, str(self.folder))
            faults.add(
                MisconfigurationException(
                    f"{self.folder}: {len(self.foreign)} images are in formats that are not read "
                    f"({', '.join(f'{count} {ending}' for ending, count in endings.most_common())}; the first is "
                    f"{self.foreign[0]}): save them as JPEG or PNG"
                )
            )
            rank_zero_warn(f"left out: {faults.first}")


def class_folders(folder: Path, on_error: OnError = "stop") -> ImageSet:
    """The images below a folder of class folders.

    Raises:
        MisconfigurationException: If there are no class folders, or one holds no image that is read.
    """
    classes, listing = subfolders(folder), Listing(folder)
    if len(classes) == 1 and len(subfolders(classes[0])) > 1:
        raise MisconfigurationException(
            f"{folder} has one class, {classes[0].name}; if its folders are the classes: --data.path {classes[0]}"
        )
    if not classes:
        inside = len(listing.add(folder).images)
        here = f"; its {inside} images could be listed in a table, for configs/own/image_table.yaml" if inside else ""
        raise MisconfigurationException(f"{folder} has no class folders (one folder of images for each class){here}")
    labels: list[str] = []
    for entry in classes:
        listing.add(entry)
        if len(listing.images) == len(labels) and not listing.foreign:
            raise MisconfigurationException(f"class folder {entry} holds no image")
        labels += [composed(entry.name)] * (len(listing.images) - len(labels))
    listing.hidden += [entry for entry in folder.iterdir() if is_hidden(entry)]
    listing.report(on_error)
    loose = [entry for entry in folder.iterdir() if is_image(entry) and not is_hidden(entry) and entry.is_file()]
    if loose:
        rank_zero_warn(f"{folder}: left out {len(loose)} images that lie in no class folder, such as {min(loose)}")
    return ImageSet(listing.images, labels)
