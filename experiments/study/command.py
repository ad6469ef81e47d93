"""``leyden study``: many runs, one answer."""

import signal

from experiments.callbacks.signals import Interrupted
from experiments.study.options import command_line, read_options


def main(words: list[str]) -> int:
    """Run ``leyden study``.

    Args:
        words: The command line, without ``study``.

    Returns:
        Exit code.
    """
    given = read_options(words)
    from experiments.study.isolation import warning_once
    from experiments.study.plan import Plan
    from experiments.study.results.report import write_report
    from experiments.study.work import Work

    try:
        with warning_once():
            work = Work(Plan(given))
            print(f"{work.plan.folder}: {work.plan}", flush=True)
            work.do()
        print(write_report(work))
    except (Interrupted, KeyboardInterrupt) as stop:
        signum = stop.signum if isinstance(stop, Interrupted) else signal.SIGINT
        raise Interrupted(signum, f"stopped; nothing is lost, go on with: {command_line(words)}") from stop
    return 0
