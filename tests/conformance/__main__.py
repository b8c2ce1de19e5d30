"""``python -m tests.conformance``: write docs/conformance.md, or check it."""

import sys

from tests.conformance.page import main

sys.exit(main(sys.argv[1:]))
