"""A run on several devices, in processes of its own: Lightning starts the other ones by the words of the first."""

import os
import subprocess
import sys
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.callbacks.signals import Interrupted
from experiments.study.claims import Job


def train_apart(job: Job, devices: str, words: list[str]) -> None:
    """Train a run in processes of its own.

    Args:
        job: The run. Its processes hold the lock, too: should this one end, nobody else takes the run up meanwhile.
        devices: Option of where to run.
        words: The command line of the study.

    Raises:
        MisconfigurationException: If it fails.
        Interrupted: If it was asked to stop.
    """
    command = [sys.executable, "-m", "experiments.study.child", job.folder.name, devices, *words]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    code = subprocess.run(
        command, check=False, pass_fds=job.lock.files(), env={**os.environ, "PYTHONPATH": path}
    ).returncode
    if code > 128:
        raise Interrupted(code - 128, "stopped")
    if code:
        raise MisconfigurationException(f"the processes of {job.folder} ended with an error, told above")


def main(words: list[str]) -> int:
    """Train one run of a study.

    Args:
        words: The name of its folder, the option of where to run, and the command line of the study.
    """
    from experiments.messages import tell
    from experiments.startup import prepare

    prepare()
    from experiments.study.options import read_options
    from experiments.study.plan import Plan
    from experiments.study.work import Work

    name, devices, *study = words
    try:
        Work(Plan(read_options(study))).train_one(name, [devices], is_first=os.environ.get("LOCAL_RANK", "0") == "0")
    except Exception as error:
        told = tell(error)
        if told is None:
            raise
        return told
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
