"""``python -m stirmilter``: the same as the command ``stirmilter``."""

from stirmilter.cli import main

main()
