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

PATIENT_DNS: Final = """\
server_seconds = 10.0
question_seconds = 20.0
message_seconds = 60.0
dmarc_seconds = 30.0
"""
"""For [dns]: what a busy machine does not find in time would be another result."""
