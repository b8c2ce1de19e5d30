"""The package on a Debian of its own, under a real systemd: `make machine`.

It is no test of `make test`: it wants root, a Debian mirror and some minutes.
"""
