"""What configurations have in common, of daemons that stand for one relay."""

from typing import Final

BOTH_WAYS: Final = """\
[sign]
clients = ["127.0.0.0/8"]
proofs = "{folder}/{name}-proofs.json"
[[signer]]
name = "spc"
key = "{ca}/keys/spc.key"
chain = "{ca}/www/spc.pem"
x5u = "{base}/spc.pem"
numbers = ["+1*"]
[verify]
anchors = ["{ca}/root.pem"]
[fetch]
laboratory = true
tls_ca = "{ca}/tls-ca.pem"
store = "sqlite:{folder}/{name}-certificates.sqlite"
store_seconds = 30.0
seconds = 30.0
"""
"""Signs for the test CA's ``spc`` and verifies; takes its folders and its name."""
