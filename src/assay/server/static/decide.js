// Signs a decision with a key that stays in this page: P-256, ECDSA over the DSSE pre-authentication encoding.
"use strict";

const form = document.getElementById("decide");
const outcome = document.getElementById("outcome");
form.hidden = false;

function chooseAction() {
  const action = form.elements.action.value;
  document.getElementById("waiver").hidden = action !== "waive";
  document.getElementById("move").hidden = action !== "move";
  form.elements.until.required = action === "waive";
  form.elements.ref.required = action === "move";
}

function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// DSSE v1: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body
function encoding(type, body) {
  const head = new TextEncoder().encode(`DSSEv1 ${new TextEncoder().encode(type).length} ${type} ${body.length} `);
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return whole;
}

// WebCrypto gives r and s side by side; signatures here are DER (RFC 3279, 2.2.3).
function derInteger(bytes) {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const cut = Array.from(bytes.slice(start));
  if (cut[0] & 0x80) cut.unshift(0);
  return [0x02, cut.length, ...cut];
}

function toDer(raw) {
  const half = raw.length / 2;
  const inside = [...derInteger(raw.slice(0, half)), ...derInteger(raw.slice(half))];
  return Uint8Array.from([0x30, inside.length, ...inside]);
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || body.detail || `the server answers ${response.status}`);
  return body;
}

async function send() {
  const fields = form.elements;
  const name = form.dataset.name;
  const headers = {};
  if (fields.token) headers.Authorization = `Bearer ${fields.token.value.trim()}`;
  if (form.dataset.csrf) headers["X-CSRF-Token"] = form.dataset.csrf;
  const asked = new URLSearchParams({
    action: fields.action.value, reason: fields.reason.value, person: fields.person.value,
    finding: fields.finding.value, until: fields.until.value, ref: fields.ref.value, snapshot: form.dataset.snapshot,
  });
  const key = await privateKey(fields.key.files[0], fields.passphrase.value);
  const statement = await answer(await fetch(`/${name}/-/proposal?${asked}`, { headers }));
  const message = encoding(statement.payloadType, fromBase64(statement.payload));
  const raw = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, message);
  const envelope = { ...statement, signatures: [{ keyid: "", sig: toBase64(toDer(new Uint8Array(raw))) }] };
  return answer(await fetch(`/api/assay/v1/decisions/${name}`, {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify({ envelope }),
  }));
}

form.elements.action.addEventListener("change", chooseAction);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  outcome.textContent = "Signing…";
  try {
    const taken = await send();
    const next = taken.queued === null ? "It holds from now on." : `The model is decided about again: request ${taken.queued}.`;
    outcome.textContent = `Kept: ${taken.action}, signed by ${taken.person}. ${next}`;
    outcome.className = "notice";
    form.elements.key.value = "";
    form.elements.passphrase.value = "";
  } catch (problem) {
    outcome.textContent = `Not kept: ${problem.message}`;
    outcome.className = "banner";
  }
});
chooseAction();
