// node verify.mjs BUNDLE PUBLIC_KEY: verifies a key bundle with Sigstore's own JavaScript verifier; exit status 0 or 1.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.env.ASSAY_JS_MODULES + "/");
const { bundleFromJSON } = require("@sigstore/bundle");
const { Verifier, toSignedEntity } = require("@sigstore/verify");

const [bundleFile, keyFile] = process.argv.slice(2);
const key = createPublicKey(readFileSync(keyFile));
const trust = {
  certificateAuthorities: [],
  timestampAuthorities: [],
  tlogs: [],
  ctlogs: [],
  publicKey: () => ({ publicKey: key, validFor: () => true }),
};
try {
  const bundle = bundleFromJSON(JSON.parse(readFileSync(bundleFile)));
  new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, tsaThreshold: 0 }).verify(toSignedEntity(bundle));
  console.log("verified");
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
