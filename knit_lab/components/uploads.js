// Files of the person's own computer, packed as tar.gz here and sent to Knit by HTTP, not through the kernel.
//
// The kernel says `start` (with the tags) and `cancel`; it is told `chosen`, `progress`, `done`, `failed`, `cancelled`.
// Where this page cannot reach the very Knit that the kernel means, the archive goes to the kernel in parts, one at a
// time (`part`, answered by `next`), and the kernel pushes it.

const BLOCK = 512;
const PART = 1 << 20;
const EVERY = 150; // milliseconds between two words about how far it is

const config = () => {
  const element = document.getElementById("jupyter-config-data");
  try { return JSON.parse(element?.textContent || "null"); } catch { return null; }
};

const cookie = name => document.cookie.split("; ").find(each => each.startsWith(name + "="))?.slice(name.length + 1);

function headers(page) {
  const made = {};
  if (page.token) made.Authorization = `token ${page.token}`;
  const proof = cookie("_xsrf");
  if (proof) made["X-XSRFToken"] = decodeURIComponent(proof);
  return made;
}

// Where Knit's API is for this page, or null: the same path as the kernel's, and the same server behind it.
async function reached(model) {
  const page = config();
  if (!page?.baseUrl) return null;
  const api = new URL(page.baseUrl.replace(/\/?$/, "/") + "knit/api", window.location.origin);
  try {
    const answer = await fetch(`${api}/health`, { headers: headers(page), credentials: "same-origin", cache: "no-store" });
    const told = answer.ok ? await answer.json() : {};
    return told.home && `${told.home} ${told.store}` === model.get("server") ? { api: `${api}`, page } : null;
  } catch { return null; }
}

// --- tar -------------------------------------------------------------------------------------------------------------

const utf8 = new TextEncoder();
const octal = (number, width) => number.toString(8).padStart(width - 1, "0") + "\0";

function header(name, size, seconds, type) {
  const block = new Uint8Array(BLOCK);
  const put = (bytes, at) => block.set(bytes, at);
  const write = (text, at) => put(utf8.encode(text), at);
  put(utf8.encode(name).subarray(0, 100), 0);
  write(octal(0o644, 8), 100); write(octal(0, 8), 108); write(octal(0, 8), 116);
  write(octal(size > 0o77777777777 ? 0 : size, 12), 124); write(octal(seconds, 12), 136);
  write("        ", 148); write(type, 156); write("ustar\x0000", 257);
  write(octal(block.reduce((sum, byte) => sum + byte, 0), 7) + " ", 148);
  return block;
}

const padding = size => new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);

function record(key, value) { // "<length> key=value\n", whose length counts its own digits
  const body = utf8.encode(` ${key}=${value}\n`).length;
  let length = body + String(body).length;
  while (String(length).length + body !== length) length = String(length).length + body;
  return `${length} ${key}=${value}\n`;
}

function tar(files) {
  const parts = [];
  for (const { name, file } of files) {
    const seconds = Math.max(0, Math.floor(file.lastModified / 1000));
    const extended = utf8.encode(record("path", name) + record("size", String(file.size)));
    parts.push(header("extended", extended.length, seconds, "x"), extended, padding(extended.length));
    parts.push(header(name, file.size, seconds, "0"), file, padding(file.size));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts); // nothing has been read yet: files are read as they are packed
}

// --- gzip ------------------------------------------------------------------------------------------------------------

const NEAR = ["localhost", "127.0.0.1", "[::1]"];
const SAMPLE = 1 << 20;
const STORED = 0xffff; // bytes of the longest block that is not compressed: RFC 1951, 3.2.4

const CRC = Int32Array.from({ length: 256 }, (_, number) => {
  for (let bit = 0; bit < 8; bit++) number = number & 1 ? (number >>> 1) ^ 0xedb88320 : number >>> 1;
  return number;
});

// Compressing costs more time than it saves where the way is short, or where nothing becomes smaller.
async function pays(plain) {
  if (NEAR.includes(window.location.hostname)) return false;
  const sample = plain.slice(0, SAMPLE);
  const small = await new Response(sample.stream().pipeThrough(new CompressionStream("gzip"))).blob();
  return small.size < 0.8 * sample.size;
}

// What CompressionStream does, without its work: a gzip stream (RFC 1952) whose blocks are stored as they are.
function storing() {
  let crc = -1, size = 0;
  return new TransformStream({
    start(controller) { controller.enqueue(new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])); },
    transform(chunk, controller) {
      const out = new Uint8Array(chunk.length + 5 * Math.ceil(chunk.length / STORED));
      for (let at = 0, to = 0; at < chunk.length; at += STORED) {
        const part = chunk.subarray(at, at + STORED), count = part.length;
        out.set([0, count & 255, count >> 8, ~count & 255, (~count >> 8) & 255], to);
        out.set(part, to + 5);
        to += 5 + count;
      }
      let sum = crc; // a local one: what closures share is kept in memory
      for (let at = 0; at < chunk.length; at++) sum = CRC[(sum ^ chunk[at]) & 255] ^ (sum >>> 8);
      crc = sum;
      size += chunk.length;
      controller.enqueue(out);
    },
    flush(controller) {
      const end = new DataView(new ArrayBuffer(13));
      end.setUint32(0, 0x010000ff); end.setUint8(4, 0xff); // a last block, empty
      end.setUint32(5, ~crc >>> 0, true); end.setUint32(9, size % 2 ** 32, true);
      controller.enqueue(new Uint8Array(end.buffer));
    },
  });
}

async function packed(files, signal, tell) {
  const plain = tar(files);
  let done = 0;
  const counting = new TransformStream({
    transform(chunk, controller) { done += chunk.length; tell("packing", done, plain.size); controller.enqueue(chunk); },
  });
  const zipping = await pays(plain) ? new CompressionStream("gzip") : storing();
  return await new Response(plain.stream().pipeThrough(counting, { signal }).pipeThrough(zipping)).blob();
}

// --- ways to the server ----------------------------------------------------------------------------------------------

function refusal(request) {
  let told = {};
  try { told = JSON.parse(request.responseText); } catch { /* it is no JSON: the status says it all */ }
  const message = told.message;
  return {
    kind: "failed",
    reason: message?.reason || told.reason || (typeof message === "string" && message) || `the server answered ${request.status || "nothing"}`,
    advice: message?.advice || told.advice || "",
  };
}

function post(way, archive, tags, signal, tell) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // and not fetch, which cannot tell how much has been sent
    const query = tags.map(tag => `tag=${encodeURIComponent(tag)}`).join("&");
    request.open("POST", `${way.api}/data${query && "?" + query}`);
    for (const [name, value] of Object.entries(headers(way.page))) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/tar+gzip");
    request.upload.onprogress = event => tell("sending", event.loaded, archive.size);
    request.onload = () => {
      if (request.status !== 200) return resolve(refusal(request));
      resolve({ kind: "done", knitId: JSON.parse(request.responseText).knitId });
    };
    request.onerror = () => resolve(refusal(request));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(archive);
  });
}

async function throughKernel(model, archive, signal, tell, answers) {
  const most = model.get("most_through_kernel");
  if (archive.size > most) {
    const reason = `${(archive.size / 2 ** 20).toFixed(0)} MiB are too much for this way: this page cannot reach the Knit server itself`;
    return { kind: "failed", reason, advice: "Push from the command line (knit data push), or put the files where the kernel runs." };
  }
  for (let at = 0; at < archive.size; at += PART) {
    const bytes = await archive.slice(at, at + PART).arrayBuffer();
    signal.throwIfAborted();
    const answered = new Promise((resolve, reject) => {
      answers.next = resolve;
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    model.send({ kind: "part", at, last: at + PART >= archive.size }, undefined, [bytes]);
    await answered;
    tell("sending", Math.min(archive.size, at + PART), archive.size);
  }
  return null; // the kernel goes on alone
}

// --- choosing --------------------------------------------------------------------------------------------------------

async function dropped(items) { // folders that are dropped are walked through
  const found = [];
  const walk = async (entry, prefix) => {
    if (entry.isFile) {
      found.push({ name: prefix + entry.name, file: await new Promise((good, bad) => entry.file(good, bad)) });
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (;;) { // each call gives at most 100 names
        const some = await new Promise((good, bad) => reader.readEntries(good, bad));
        if (!some.length) break;
        for (const each of some) await walk(each, `${prefix}${entry.name}/`);
      }
    }
  };
  const entries = [...items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  for (const entry of entries) await walk(entry, "");
  const [only] = entries;
  if (entries.length === 1 && only.isDirectory) for (const each of found) each.name = each.name.slice(only.name.length + 1);
  return found;
}

const picked = input => [...input.files].map(file => ({ // of a chosen folder, what is in it
  name: file.webkitRelativePath ? file.webkitRelativePath.split("/").slice(1).join("/") : file.name, file,
}));

function render({ model, el }) {
  let files = [], running = null;
  const answers = {};
  el.classList.add("knit-uploads");
  const words = document.createElement("span");
  const choose = (label, folder) => {
    const input = document.createElement("input"), button = document.createElement("button");
    input.type = "file"; input.multiple = true; input.webkitdirectory = folder; input.hidden = true;
    input.dataset.kind = folder ? "folder" : "files";
    button.type = "button"; button.textContent = label; button.className = "jupyter-button widget-button";
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => { take(picked(input)); input.value = ""; });
    el.append(button, input);
  };
  const take = chosen => {
    files = chosen;
    const total = files.reduce((sum, each) => sum + each.file.size, 0);
    const names = files.slice(0, 3).map(each => each.name).join(", ") + (files.length > 3 ? ", …" : "");
    words.textContent = files.length ? names : "or drop files or a folder here";
    words.title = names;
    model.send({ kind: "chosen", count: files.length, bytes: total, names: files.slice(0, 3).map(each => each.name) });
  };
  choose("Choose files …", false);
  choose("Choose a folder …", true);
  words.className = "knit-uploads-words";
  words.textContent = "or drop files or a folder here";
  el.append(words);
  const over = on => event => { event.preventDefault(); event.stopPropagation(); el.classList.toggle("knit-over", on); };
  el.addEventListener("dragover", over(true));
  el.addEventListener("dragleave", over(false));
  el.addEventListener("drop", event => {
    over(false)(event);
    dropped(event.dataTransfer.items).then(take, err => model.send({ kind: "failed", reason: `cannot read what was dropped: ${err}`, advice: "Choose the folder by its button." }));
  });

  let last = 0;
  const tell = (phase, done, total) => {
    if (Date.now() - last < EVERY && done < total) return;
    last = Date.now();
    model.send({ kind: "progress", phase, done, total });
  };
  const work = async (tags, signal) => {
    const way = await reached(model);
    const archive = await packed(files, signal, tell);
    signal.throwIfAborted();
    return way ? await post(way, archive, tags, signal, tell) : await throughKernel(model, archive, signal, tell, answers);
  };
  const start = async message => {
    running?.abort();
    const mine = running = new AbortController();
    const warn = event => event.preventDefault(); // leaving the page would break the upload off
    window.addEventListener("beforeunload", warn);
    let outcome;
    try {
      outcome = await work(message.tags, mine.signal);
    } catch (err) {
      outcome = mine.signal.aborted ? { kind: "cancelled" } : {
        kind: "failed", reason: `cannot read the files: ${err.message || err}`, advice: "Were they changed or moved? Choose them again.",
      };
    } finally {
      window.removeEventListener("beforeunload", warn);
    }
    if (running === mine) running = null;
    if (outcome) model.send({ ...outcome, turn: message.turn });
  };
  const heard = message => {
    if (message.kind === "start" && files.length) start(message);
    else if (message.kind === "cancel") running?.abort();
    else if (message.kind === "next") answers.next?.();
  };
  model.on("msg:custom", heard);
  return () => { running?.abort(); model.off("msg:custom", heard); };
}

export default { render };
