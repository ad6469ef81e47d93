"""Checkpoints in parts: a folder with a share from each process, as ``ModelParallelStrategy`` writes it if asked to.

PyTorch's reader of such a folder runs what its pickled table of contents says. So that is looked through before.
"""

import io
import os
import pickle
from pathlib import Path

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from modules.nets.loading import first_line

CONTENTS, REST = ".metadata", "meta.pt"  # where what lies, and all but weights and optimizers
_METADATA = "torch.distributed.checkpoint.metadata"
# What the table of contents is made of. A type of numbers goes by its name in torch.
ALLOWED = {
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    *((_METADATA, name) for name in ("Metadata", "MetadataIndex", "StorageMeta", "TensorProperties")),
    *((_METADATA, f"{kind}StorageMetadata") for kind in ("Bytes", "Chunk", "Tensor")),
    (_METADATA, "_MEM_FORMAT_ENCODING"),
}

FAULTS = (pickle.UnpicklingError, ValueError, EOFError, LookupError, TypeError, AttributeError, RuntimeError, OSError)


def is_one(path: Path) -> bool:
    """Whether a folder is a checkpoint in parts."""
    return (path / REST).is_file()


def read_rest(folder: Path) -> dict[str, object]:
    """All but weights and optimizers of a checkpoint in parts, which nothing in it can use to run code.

    Raises:
        MisconfigurationException: If it holds anything but plain data.
    """
    try:
        _check(folder)
        rest = torch.load(folder / REST, map_location="cpu", weights_only=True)
    except FAULTS as error:
        raise MisconfigurationException(
            f"{folder} is damaged, or holds Python objects that could run code when loaded ({first_line(error)})"
        ) from error
    return {**rest, "state_dict": {}, "optimizer_states": []} if isinstance(rest, dict) else {}


def _check(folder: Path) -> None:
    with (folder / CONTENTS).open("rb") as file:
        contents = _Plain(file).load()
    for place in contents.storage_data.values():
        if Path(place.relative_path).name != place.relative_path or place.transform_descriptors:
            raise ValueError(f"a part lies in {place.relative_path}")
        with (folder / place.relative_path).open("rb") as file:
            file.seek(place.offset)
            torch.load(io.BytesIO(file.read(place.length)), map_location="cpu", weights_only=True)


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) in ALLOWED or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in it")


def joined(folder: Path) -> Path:
    """The weights of a checkpoint in parts and all the rest but the optimizers, in one file beside it.

    Args:
        folder: The checkpoint. Without ``ModelParallelStrategy`` only one file can be loaded.

    Raises:
        MisconfigurationException: If it holds anything but plain data.
    """
    path = folder.with_suffix(".joined")
    if path.exists() and path.stat().st_mtime >= (folder / REST).stat().st_mtime:
        return path
    from lightning.fabric.utilities.load import _load_distributed_checkpoint

    content = {**read_rest(folder), "state_dict": _load_distributed_checkpoint(folder)["state_dict"]}
    beside = path.with_suffix(f".{os.getpid()}.tmp")  # other processes may do the same
    torch.save(content, beside)
    os.replace(beside, path)
    return path
