"""`python -m pdejax.cli` is `pdejax`."""

import sys

from pdejax.cli._main import main

sys.exit(main())
