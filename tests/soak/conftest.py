"""What the long tests are made of is that of the short ones."""

from tests.e2e.conftest import published, start

__all__ = ["published", "start"]
