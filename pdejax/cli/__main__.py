"""`python -m pdejax.cli` is `pdejax`."""

import sys

from pdejax.cli import main

sys.exit(main())
