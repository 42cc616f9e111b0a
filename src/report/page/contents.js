// The document in the page, and where its numbers stand.

const contents = JSON.parse(document.getElementById("document").textContent);

// A JSON pointer (RFC 6901) of these keys.
const pointer = (...keys) =>
  keys.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

// A number of the document with its pointer, so that whatever shows it can say where it is from.
function number(at) {
  let value = contents;
  for (const key of at.split("/").slice(1)) {
    value = value?.[key.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return { value: typeof value === "number" ? value : null, from: at };
}

// The same form for what the page works out itself: `from` says how, in words.
const derived = (value, from) => ({ value: Number.isFinite(value) ? value : null, from: `=${from}` });
