"""``python -m experiments`` is ``leyden``."""

import sys

from experiments.cli import main

sys.exit(main())
