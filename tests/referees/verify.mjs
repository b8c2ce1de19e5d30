// Verifies ES256 tokens with Node's own crypto and JSON; many in one process.
// In: {"certificate": PEM, "tokens": [...]}. Out: one entry for each token,
// {"header": ..., "claims": ...}, or null if the signature is bad.

import { X509Certificate, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const { certificate, tokens } = JSON.parse(readFileSync(0, "utf8"));
const key = new X509Certificate(certificate).publicKey;
const json = (part) => JSON.parse(Buffer.from(part, "base64url").toString("utf8"));

function read(token) {
  const [header, claims, signature] = token.split(".");
  const good = verify(
    "sha256",
    Buffer.from(`${header}.${claims}`),
    { key, dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  return good ? { header: json(header), claims: json(claims) } : null;
}

console.log(JSON.stringify(tokens.map(read)));
