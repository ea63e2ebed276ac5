// The Markdown that cards use, as DOM nodes. Text goes in as text only: nothing here can make a link,
// a script or any other element than those named below.

const INLINE = new RegExp(
  [
    "\\\\([!-/:-@[-`{-~])", // 1: an escaped sign
    "\\*\\*((?:\\\\.|[^\\\\])+?)\\*\\*", // 2: bold
    "\\*((?:\\\\.|[^\\\\*])+)\\*", // 3: italic
    "(?<![\\w\\\\])_((?:\\\\.|[^\\\\_])+)_(?!\\w)", // 4: italic
    "`([^`]+)`", // 5: code
    "&(#\\d{1,7}|#[xX][0-9a-fA-F]{1,6}|lt|gt|amp|quot|apos|nbsp);", // 6: a character reference
    "(?: {2,}|\\\\)\\n", // a hard line break
  ].join("|"),
  "g",
);
const NAMED = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: "\u00a0" };
const BULLET = /^\s*[-*+]\s+/;
const NUMBER = /^\s*\d{1,9}[.)]\s+/;
const HEADING = /^#{1,6}\s+/;
const RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

export function renderMarkdown(text) {
  const fragment = document.createDocumentFragment();
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else fragment.append(block(lines));
  }
  return fragment;
}

export function element(name, { className, text } = {}, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

function block(lines) {
  if (startsTable(lines)) return table(lines);
  if (BULLET.test(lines[0])) return list("ul", BULLET, lines);
  if (NUMBER.test(lines[0])) return list("ol", NUMBER, lines);
  if (HEADING.test(lines[0])) return element("h4", {}, ...inline(lines.shift().replace(HEADING, "")));
  const words = [lines.shift()];
  while (lines.length && lines[0].trim() && !startsOther(lines)) words.push(lines.shift());
  return element("p", {}, ...inline(words.join("\n")));
}

function startsOther(lines) {
  return BULLET.test(lines[0]) || HEADING.test(lines[0]) || startsTable(lines);
}

function startsTable(lines) {
  return lines.length > 1 && lines[0].includes("|") && lines[1].includes("-") && RULE.test(lines[1]);
}

function table(lines) {
  const head = element("thead", {}, row("th", lines.shift()));
  lines.shift();
  const body = element("tbody");
  while (lines.length && lines[0].includes("|")) body.append(row("td", lines.shift()));
  return element("div", { className: "table" }, element("table", {}, head, body));
}

function row(cell, line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  const cells = inner.split(/(?<!\\)\|/).map((words) => element(cell, {}, ...inline(words.trim())));
  if (cell === "th") cells.forEach((made) => made.setAttribute("scope", "col"));
  return element("tr", {}, ...cells);
}

function list(name, mark, lines) {
  const items = [];
  while (lines.length && mark.test(lines[0])) {
    const words = [lines.shift().replace(mark, "")];
    while (lines.length && /^\s{2,}\S/.test(lines[0]) && !mark.test(lines[0])) words.push(lines.shift().trim());
    items.push(element("li", {}, ...inline(words.join("\n"))));
  }
  return element(name, {}, ...items);
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(from, found.index), inlineNode(found));
    from = found.index + found[0].length;
  }
  return [...nodes, text.slice(from)].filter((node) => node !== "");
}

function inlineNode([whole, escaped, bold, italic, underscored, code, reference]) {
  if (escaped !== undefined) return escaped;
  if (bold !== undefined) return element("strong", {}, ...inline(bold));
  if (italic ?? underscored) return element("em", {}, ...inline(italic ?? underscored));
  if (code !== undefined) return element("code", { text: code });
  if (reference !== undefined) return character(reference) ?? whole;
  return element("br");
}

function character(reference) {
  if (!reference.startsWith("#")) return NAMED[reference];
  const hex = /^#x/i.test(reference);
  const point = Number.parseInt(reference.slice(hex ? 2 : 1), hex ? 16 : 10);
  return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : undefined;
}
