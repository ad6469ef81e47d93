"""``python -m experiments`` is ``leyden``."""

import sys

from experiments.program import main

sys.exit(main())
