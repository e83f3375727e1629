"use strict";
// Everything here is an addition: without it the page is a plain document with LaTeX in place of formulas.
const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const words = byId("tools").dataset;

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// -- Formulas: typeset, each sign of the model marked so that it can say what it is.

const symbols = new Map(all("#symbols > div").map((entry) => [entry.dataset.sign, entry]));
const TOKEN = /\\(?:begin|end|text|operatorname\*?)\{[^{}]*\}|(\\mathrm\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z])(\^\{\[\d+\]\})?(_\{[^{}]*\})?|\\./g;

function marked(latex) {
  return latex.replace(TOKEN, (whole, base, layer = "", low = "") => {
    if (!base) return whole;
    const entry = [layer + low, layer + low.split(",")[0] + (low.includes(",") ? "}" : ""), layer, ""]
      .map((rest) => symbols.get(base + rest)).find(Boolean);
    return entry ? `{\\htmlData{symbol=${entry.id}}{${base}}}${layer}${low}` : whole;
  });
}

function typeset(element) {
  // Displayed size, but set as a line of text, which may break at operators where the screen is narrow.
  const size = element.classList.contains("display") ? "\\displaystyle " : "";
  katex.render(size + marked(element.dataset.latex), element, {
    throwOnError: false,
    trust: (context) => context.command === "\\htmlData" && Object.keys(context.attributes).join() === "data-symbol",
    strict: (code) => (code === "htmlExtension" ? "ignore" : "warn"),
    maxExpand: 1000,
    maxSize: 50,
  });
}
all(".math").forEach(typeset);

// -- What is this?  A card about the sign or node under the pointer or in focus.

const card = make("div", { id: "card", role: "status", hidden: "" });
document.body.append(card);

function tell(place, entry) {
  card.replaceChildren(...Array.from(entry.children, (child) => child.cloneNode(true)));
  card.hidden = false;
  const box = place.getBoundingClientRect();
  const left = Math.min(box.left, root.clientWidth - card.offsetWidth - 8);
  const above = box.top - card.offsetHeight - 6;
  card.style.left = `${Math.max(8, left) + scrollX}px`;
  card.style.top = `${(above > 0 ? above : box.bottom + 6) + scrollY}px`;
}

function about(event) {
  const place = event.target.closest("[data-symbol], g[data-quantity]");
  if (!place) return void (card.hidden = true);
  const id = place.dataset.symbol || "symbol-" + place.dataset.quantity;
  if (byId(id)) tell(place, byId(id));
}
document.addEventListener("pointerover", about);
document.addEventListener("focusin", about);
document.addEventListener("focusout", () => { card.hidden = true; });

// -- Links into folded steps open them; what is meant lights up.

function reveal() {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  all(".found").forEach((element) => element.classList.remove("found"));
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target.classList.add("found");
  target.scrollIntoView({ block: "center" });
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();
document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (link && link.getAttribute("href") === location.hash) reveal(); // the same link once more
});

// -- How much of the steps, and on which ground.

function remember(key, value) {
  try { localStorage.setItem("derive-" + key, value); } catch { /* a page from a file may have no storage */ }
}
function remembered(key) {
  try { return localStorage.getItem("derive-" + key); } catch { return null; }
}

function show(detail) {
  root.dataset.detail = detail;
  all(".derivation").forEach((derivation) => {
    const every = derivation.querySelector(".every");
    if (!every) return;
    every.hidden = detail !== "full";
    derivation.querySelector(".lines:not(.every)").hidden = detail === "full";
  });
  all("#tools [data-detail]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.detail === detail)));
}
all("#tools [data-detail]").forEach((button) => button.addEventListener("click", () => {
  show(button.dataset.detail);
  remember("detail", button.dataset.detail);
}));

function paint(theme) {
  root.style.colorScheme = theme;
  root.dataset.theme = theme;
}
byId("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  paint(dark ? "light" : "dark");
  remember("theme", root.dataset.theme);
});
byId("tools").hidden = false;
show(remembered("detail") || "normal");
if (remembered("theme")) paint(remembered("theme"));

// -- Copy a formula: as LaTeX, as numpy, in the model language.

const menu = make("div", { id: "copy", role: "menu", hidden: "" });
document.body.append(menu);

function offer(button, formula) {
  const forms = [["LaTeX", "latex"], ["NumPy", "numpy"], [words.language, "source"]];
  menu.replaceChildren(...forms.filter(([, key]) => formula.dataset[key]).map(([name, key]) => {
    const item = make("button", { type: "button", role: "menuitem" }, name);
    item.addEventListener("click", () => copy(formula.dataset[key], button));
    return item;
  }));
  menu.hidden = false;
  const box = button.getBoundingClientRect();
  menu.style.left = `${Math.max(8, box.right - menu.offsetWidth) + scrollX}px`;
  menu.style.top = `${box.bottom + 4 + scrollY}px`;
  menu.firstChild.focus();
}

async function copy(text, button) {
  menu.hidden = true;
  button.focus();
  try {
    await navigator.clipboard.writeText(text);
  } catch { // without the permission: by way of a selection
    const area = make("textarea", {});
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  root.dataset.copied = text;
  button.textContent = "✓";
  setTimeout(() => { button.textContent = "⧉"; }, 1200);
}

all(".lines > .line").forEach((line) => {
  const formula = line.querySelector(".formula .math");
  if (!formula) return;
  const help = { "aria-label": `${words.copy}. ${words.signs}`, title: `${words.copy}. ${words.signs}` };
  const button = make("button", { type: "button", class: "copy", "aria-haspopup": "menu", ...help }, "⧉");
  button.addEventListener("click", () => offer(button, formula));
  button.addEventListener("keydown", (event) => throughSigns(event, line));
  button.addEventListener("blur", () => meant(line, null));
  line.append(button);
});
// With the keyboard: from the button of a line the arrows go through its signs, and the card tells each.

function meant(line, sign) {
  all(".told-of", line).forEach((element) => element.classList.remove("told-of"));
  if (sign) sign.classList.add("told-of");
}

function throughSigns(event, line) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const signs = all("[data-symbol]", line);
  if (!step || !signs.length) return;
  event.preventDefault();
  const before = signs.findIndex((sign) => sign.classList.contains("told-of"));
  const sign = signs[before < 0 ? (step > 0 ? 0 : signs.length - 1) : (before + step + signs.length) % signs.length];
  meant(line, sign);
  tell(sign, byId(sign.dataset.symbol));
}

menu.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const items = Array.from(menu.children);
  if (step) items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") menu.hidden = card.hidden = true;
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#copy, button.copy")) menu.hidden = true;
});

// -- A walk through the example: forwards its values, then backwards the derivatives.

function walk(table) {
  const rows = all("tr[data-quantity]", table);
  const computed = rows.filter((row) => row.cells[3].textContent.trim() || row === rows[rows.length - 1] || row.dataset.computed);
  const steps = [
    ...rows.filter((row) => row.dataset.computed).map((row) => ["forward", row]),
    ...computed.reverse().map((row) => ["backward", row]),
  ];
  const slider = make("input", { type: "range", min: "0", max: String(steps.length), value: "0", "aria-label": words.walk });
  const told = make("p", { class: "told", "aria-live": "polite" }, words.walk);
  const go = () => {
    const at = Number(slider.value);
    const reached = new Set(steps.slice(0, at).map(([way, row]) => way + " " + row.dataset.quantity));
    table.classList.toggle("walking", at > 0);
    for (const row of rows) {
      const known = !row.dataset.computed || reached.has("forward " + row.dataset.quantity);
      row.classList.toggle("known", known);
      row.classList.toggle("reached", reached.has("backward " + row.dataset.quantity));
      row.classList.toggle("here", at > 0 && steps[at - 1][1] === row);
    }
    const figure = byId("figure-example");
    if (figure) all("[data-quantity], [data-of]", figure).forEach((part) => {
      const name = part.dataset.quantity || part.dataset.of;
      const row = rows.find((r) => r.dataset.quantity === name);
      const hidden = row && (part.classList.contains("back") ? !row.classList.contains("reached") : part.dataset.of && !row.classList.contains("known"));
      part.classList.toggle("hidden", at > 0 && Boolean(hidden));
      part.classList.toggle("here", at > 0 && steps[at - 1][1] === row && Boolean(part.dataset.quantity));
    });
    told.replaceChildren(...(at ? sentence(...steps[at - 1]) : [words.walk]));
  };
  slider.addEventListener("input", go);
  table.before(make("div", { class: "walk" }, slider, told));
}

function sentence(way, row) {
  const [name, value, derivative, chain] = Array.from(row.cells, (cell) => Array.from(cell.childNodes, (n) => n.cloneNode(true)));
  const parts = way === "forward" ? [...name, " = ", ...value] : [...name, ": ", ...chain, chain.length ? " = " : "", ...derivative];
  return [words[way] + ": ", ...parts];
}
all("table").filter((table) => table.querySelector("tr[data-quantity]")).forEach(walk);

// -- Paper cannot be clicked: print with everything unfolded.

addEventListener("beforeprint", () => {
  all("details").forEach((element) => { element.open = true; });
  // Nor can it be scrolled: a wide formula takes the place of its note, which goes beneath.
  all(".lines > .line").forEach((line) => {
    const formula = line.querySelector(".formula");
    const content = formula.firstElementChild ? formula.firstElementChild.getBoundingClientRect().width : 0;
    line.classList.toggle("wide", content > 0.75 * formula.clientWidth || formula.scrollWidth > formula.clientWidth);
  });
});
