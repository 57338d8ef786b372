"""`python -m presample`."""

import sys

from presample.cli import main

sys.exit(main())
