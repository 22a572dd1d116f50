// Elements, requests and words that all views share. Texts become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

export const pageKey = () => localStorage.getItem("maos-page-key") || "";

export async function ask(path, body) {
  const options = { headers: { "x-maos-key": pageKey() }, credentials: "same-origin" };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const [answer, told] = await fetch(path, options).then(async (found) => [found, await found.json()]).catch(() => {
    throw new Error("the server does not answer");
  });
  if (!answer.ok) throw Object.assign(new Error(told.error || `status ${answer.status}`), { status: answer.status });
  return told;
}

export function say(text, isTrouble = false) {
  const place = document.getElementById("said");
  place.replaceChildren(h("p", { class: isTrouble ? "trouble" : "done" }, text));
  clearTimeout(say.timer);
  say.timer = setTimeout(() => place.replaceChildren(), isTrouble ? 12000 : 6000);
}

export const pill = (phase) => h("span", { class: `pill ${phase}` }, phase);

export function money(usd) {
  if (!usd) return "0.00";
  return usd < 1 ? usd.toFixed(4) : usd.toFixed(2);
}

export function tokens(count) {
  if (count < 10000) return String(count);
  return count < 999950 ? `${(count / 1000).toFixed(1)}k` : `${(count / 1e6).toFixed(1)}M`;
}

export function duration(seconds) {
  if (seconds < 60) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${seconds.toFixed(0)} s`;
  for (const [size, unit, below, small] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (seconds >= size) {
      const rest = Math.floor((seconds % size) / below);
      return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${small}` : ""}`;
    }
  }
}

export function ago(at) {
  const seconds = (Date.now() - Date.parse(at)) / 1000;
  return Number.isFinite(seconds) ? `${duration(Math.max(0, Math.round(seconds)))} ago` : "";
}

export function clock(seconds, withSeconds = true) {
  const then = new Date(seconds * 1000);
  const two = (n) => String(n).padStart(2, "0");
  const day = new Date().toDateString() === then.toDateString() ? "" : `${two(then.getDate())}.${two(then.getMonth() + 1)}. `;
  return `${day}${two(then.getHours())}:${two(then.getMinutes())}${withSeconds ? `:${two(then.getSeconds())}` : ""}`;
}

export const counted = (n, word) => (n === 1 ? `1 ${word}` : `${n} ${word.endsWith("y") ? `${word.slice(0, -1)}ies` : `${word}s`}`);

export function table(head, rows, numbers = 0, label = "") {
  const first = head.length - numbers;
  const cell = (name, value, index) => h(name, { class: index >= first ? "number" : null, scope: name === "th" ? "col" : null }, value);
  return h("div", { class: head.length > 4 ? "wide large" : "wide", tabindex: 0, role: "region", "aria-label": label || head[0] },
    h("table", null,
      h("thead", null, h("tr", null, head.map((value, index) => cell("th", value, index)))),
      h("tbody", null, rows.map((row) => h("tr", null, row.map((value, index) => cell("td", value, index)))))));
}

export const section = (title, ...children) => h("section", { "aria-label": title }, h("h2", null, title), children);
