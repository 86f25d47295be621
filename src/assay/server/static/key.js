// Reads a PEM private key: PKCS#8, or PKCS#8 under a passphrase by PBES2 with PBKDF2 and AES-CBC (RFC 8018, RFC 5958).
"use strict";

const DER = { integer: 0x02, octets: 0x04, nothing: 0x05, oid: 0x06, sequence: 0x30 };
const OIDS = {
  "2a864886f70d01050d": "PBES2",
  "2a864886f70d01050c": "PBKDF2",
  "2a864886f70d0207": "SHA-1",
  "2a864886f70d0209": "SHA-256",
  "2a864886f70d020b": "SHA-512",
  "60864801650304012a": 256,
  "608648016503040102": 128,
};

// [tag, value] of every element side by side in these bytes.
function derElements(bytes) {
  const found = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at];
    let length = bytes[at + 1];
    at += 2;
    if (length & 0x80) {
      const size = length & 0x7f;
      length = 0;
      for (let place = 0; place < size; place += 1) length = length * 256 + bytes[at + place];
      at += size;
    }
    if (!(at + length <= bytes.length)) throw new Error("the key is cut short");
    found.push([tag, bytes.slice(at, at + length)]);
    at += length;
  }
  return found;
}

function derInside(element) {
  if (!element || element[0] !== DER.sequence) throw new Error("the key is no PKCS#8");
  return derElements(element[1]);
}

function oidOf(element) {
  const hex = Array.from(element[1], (byte) => byte.toString(16).padStart(2, "0")).join("");
  const name = OIDS[hex];
  if (name === undefined) throw new Error("the key is encrypted in a way that this page does not know: use the command");
  return name;
}

async function decryptedKey(bytes, passphrase) {
  const [[algorithm, parameters], data] = (([first, second]) => [derInside(first), second])(derInside(derElements(bytes)[0]));
  if (oidOf(algorithm) !== "PBES2") throw new Error("the key is not encrypted by PBES2: use the command");
  const [derivation, cipher] = derInside(parameters).map(derInside);
  if (oidOf(derivation[0]) !== "PBKDF2") throw new Error("the key is not derived by PBKDF2: use the command");
  const [salt, rounds, ...rest] = derInside(derivation[1]);
  const named = rest.find((element) => element[0] === DER.sequence);
  const hash = named ? oidOf(derInside(named)[0]) : "SHA-1";
  const iterations = rounds[1].reduce((sum, byte) => sum * 256 + byte, 0);
  const base = await crypto.subtle.importKey("raw", new TextEncoder().encode(passphrase), "PBKDF2", false, ["deriveKey"]);
  const aes = { name: "AES-CBC", length: oidOf(cipher[0]) };
  const derive = { name: "PBKDF2", salt: salt[1], iterations, hash };
  const key = await crypto.subtle.deriveKey(derive, base, aes, false, ["decrypt"]);
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv: cipher[1][1] }, key, data[1]));
  } catch {
    throw new Error("this is not the passphrase of this key");
  }
}

async function privateKey(file, passphrase) {
  const text = await file.text();
  const found = /-----BEGIN (ENCRYPTED )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END (?:ENCRYPTED )?PRIVATE KEY-----/.exec(text);
  if (!found) throw new Error("this file holds no PKCS#8 private key");
  let bytes = Uint8Array.from(atob(found[2].replace(/\s/g, "")), (character) => character.charCodeAt(0));
  if (found[1]) {
    if (!passphrase) throw new Error("this key has a passphrase: type it in");
    bytes = await decryptedKey(bytes, passphrase);
  }
  try {
    return await crypto.subtle.importKey("pkcs8", bytes, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  } catch {
    throw new Error(found[1] ? "this is not the passphrase of this key" : "this is no P-256 key");
  }
}
