"""`python -m assay`: the command, where it is not on the path."""

import sys

from assay.cli.main import main

sys.exit(main())
