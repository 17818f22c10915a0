// Makes elements. Text goes in as text nodes only, so a file name can never become markup.

import { translate } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element, for example `el("button.primary", { i18n: "drop.files", on: { click: pick } })`.
 * `i18n` is the key of its text, `label` that of its accessible name and tooltip; both follow the language.
 */
export function el(selector, properties = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (value === undefined || value === null) return;
  if (name === "on") {
    for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
  } else if (name === "data") {
    Object.assign(node.dataset, value);
  } else if (name === "i18n") {
    setI18n(node, value);
  } else if (name === "label") {
    setLabel(node, value);
  } else if (name in node && name !== "list" && name !== "form" && !name.startsWith("aria")) {
    node[name] = value;
  } else {
    node.setAttribute(name, value);
  }
}

/** Give an element its text, which follows the language. */
export function setI18n(node, key) {
  node.dataset.i18n = key;
  node.textContent = translate(key);
}

/** Give a control without text its accessible name and its tooltip. */
export function setLabel(node, key) {
  node.dataset.i18nAriaLabel = node.dataset.i18nTitle = key;
  node.setAttribute("aria-label", translate(key));
  node.title = translate(key);
}

/** A picture of `icons.svg`; it means nothing by itself, the control around it has a name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Show another picture in an element that `icon` made, or in one that holds it. */
export function setIcon(node, name) {
  const wanted = `/static/icons.svg#${name}`;
  const use = node.querySelector("use");
  if (!use) node.prepend(icon(name));
  else if (use.getAttribute("href") !== wanted) use.setAttribute("href", wanted);
}

export function iconButton(name, label, click, more = {}) {
  return el("button.icon", { type: "button", label, on: { click }, ...more }, icon(name));
}

/** Set a text only when it differs: a screen reader hears no repetition, and a selection stays. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Make the children of `parent` the nodes of `items`, in order; nodes that stay are neither remade nor refocused.
 * `known` maps an item's key to its view: an object with `node` and `update(item)`.
 */
export function reconcile(parent, items, known, keyOf, make) {
  const wanted = new Set(items.map(keyOf));
  for (const [key, view] of known) {
    if (!wanted.has(key)) {
      moveFocus(view.node);
      view.node.remove();
      known.delete(key);
    }
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    if (!known.has(key)) known.set(key, make(item));
    const view = known.get(key);
    view.update(item);
    if (parent.children[index] !== view.node) place(parent, view.node, parent.children[index] ?? null);
  });
}

// A node that is moved loses the focus, for example when its own priority was changed.
function place(parent, node, before) {
  const focused = document.activeElement;
  parent.insertBefore(node, before);
  if (node.contains(focused)) focused.focus();
}

// When the thing that has the keyboard's focus goes, its neighbour gets it, not the top of the page.
function moveFocus(node) {
  if (!node.contains(document.activeElement)) return;
  const neighbour = node.nextElementSibling ?? node.previousElementSibling;
  const target = neighbour?.querySelector("button, a, select") ?? document.getElementById("work");
  target.focus();
}
