// One control for each parameter, chosen by what the server's own table says that it takes.

import { el, icon, setLabel } from "./dom.js";
import { number } from "./format.js";
import { has, onLanguage, translate } from "./i18n.js";

const SEGMENTS = 4;
const PRESETS = [720, 1080, 1440, 2160];
const SEEDS = 2 ** 32;

/**
 * A control for the parameter `name`, with `schema` from the API document. It has a `node`, `get()`, `set(value)` and
 * `valid()`; `changed` is called when the user changed it.
 */
export function makeControl(name, schema, changed) {
  if (schema.enum) return schema.enum.length <= SEGMENTS ? segments(name, schema, changed) : choice(name, schema, changed);
  if (schema.type === "boolean") return toggle(name, schema, changed);
  if (schema.type === "number" && schema.maximum <= 1) return slider(name, schema, changed);
  return schema.type === "string" ? text(name, schema, changed) : numeric(name, schema, changed);
}

/** The name of a parameter in the page's language, or as the server calls it if it is newer than the page. */
export function parameterName(name) {
  return has(`param.${name}`) ? translate(`param.${name}`) : name;
}

/** A value as people read it. */
export function valueName(value) {
  if (typeof value === "boolean") return translate(value ? "value.on" : "value.off");
  return has(`value.${value}`) ? translate(`value.${value}`) : String(value);
}

function help(name, schema, id) {
  const node = el("span.help", { id });
  const write = () => {
    node.textContent = has(`param.${name}.help`) ? translate(`param.${name}.help`) : (schema.description ?? "");
  };
  write();
  onLanguage(write);
  return node;
}

function caption(name) {
  const node = el("span.caption", { textContent: parameterName(name) });
  onLanguage(() => (node.textContent = parameterName(name)));
  return node;
}

function options(select, values) {
  const write = () => {
    const chosen = select.value;
    select.replaceChildren(...values.map((value) => el("option", { value, textContent: valueName(value) })));
    if (chosen) select.value = chosen;
  };
  write();
  onLanguage(write);
}

function choice(name, schema, changed) {
  const id = `p-${name}`;
  const select = el("select", { id, "aria-describedby": `${id}-help`, on: { change: changed } });
  options(select, schema.enum);
  const node = el("div.field", {}, el("label", { htmlFor: id }, caption(name)), select, help(name, schema, `${id}-help`));
  return { node, get: () => select.value, set: (value) => (select.value = value), valid: () => true };
}

function text(name, schema, changed) {
  const id = `p-${name}`;
  const input = el("input", {
    type: "text", id, autocomplete: "off", autocapitalize: "off", spellcheck: false, "aria-describedby": `${id}-help`,
    on: { change: changed },
  });
  const node = el("div.field", {}, el("label", { htmlFor: id }, caption(name)), input, help(name, schema, `${id}-help`));
  return { node, get: () => input.value.trim(), set: (value) => (input.value = value), valid: () => true };
}

function segments(name, schema, changed) {
  const id = `p-${name}`;
  const radios = schema.enum.map((value) => el("input", { type: "radio", name: id, value, on: { change: changed } }));
  const labels = radios.map((radio) => {
    const text = el("span", { textContent: valueName(radio.value) });
    onLanguage(() => (text.textContent = valueName(radio.value)));
    return el("label", {}, radio, text);
  });
  const node = el(
    "fieldset.field",
    { "aria-describedby": `${id}-help` },
    el("legend", {}, caption(name)),
    el("div.segments", {}, labels),
    help(name, schema, `${id}-help`),
  );
  const set = (value) => radios.forEach((radio) => (radio.checked = radio.value === value));
  return { node, get: () => radios.find((radio) => radio.checked)?.value, set, valid: () => true };
}

function toggle(name, schema, changed) {
  const id = `p-${name}`;
  const box = el("input.switch", { type: "checkbox", id, role: "switch", "aria-describedby": `${id}-help`, on: { change: changed } });
  const node = el(
    "div.field.inline",
    {},
    el("label", { htmlFor: id }, caption(name)),
    box,
    help(name, schema, `${id}-help`),
  );
  return { node, get: () => box.checked, set: (value) => (box.checked = value), valid: () => true };
}

function slider(name, schema, changed) {
  const id = `p-${name}`;
  const output = el("output", { htmlFor: id });
  const range = el("input", {
    type: "range", id, min: schema.minimum, max: schema.maximum, step: 0.01, "aria-describedby": `${id}-help`,
    on: { input: show, change: changed },
  });
  function show() {
    output.textContent = number(Number(range.value), 2);
  }
  onLanguage(show);
  const node = el(
    "div.field",
    {},
    el("div.caption-line", {}, el("label", { htmlFor: id }, caption(name)), output),
    range,
    help(name, schema, `${id}-help`),
  );
  const set = (value) => {
    range.value = value;
    show();
  };
  return { node, get: () => Number(range.value), set, valid: () => true };
}

function numeric(name, schema, changed) {
  const id = `p-${name}`;
  const wrong = el("span.wrong", { role: "alert" });
  // Some take one number below their range, which turns them off.
  const low = schema["x-minimum-when-on"] ?? schema.minimum;
  const whole = schema.type === "integer";
  const input = el("input", {
    type: "number", id, min: schema.minimum, max: schema.maximum, inputMode: whole ? "numeric" : "decimal",
    step: name === "batch_size" ? 4 : whole ? 1 : "any", "aria-describedby": `${id}-help`, on: { change: check, input: check },
  });
  function valid() {
    const value = Number(input.value);
    if (input.value === "" || (whole && !Number.isInteger(value))) return false;
    return value === schema.minimum || (value >= (low ?? value) && value <= (schema.maximum ?? value));
  }
  function check() {
    const good = valid();
    input.setAttribute("aria-invalid", String(!good));
    wrong.textContent = good ? "" : translate("settings.range", { low: low ?? "−∞", high: schema.maximum ?? "∞" });
    if (good) changed();
    presets?.mark();
  }
  const presets = name === "resolution" ? presetButtons(input, check) : null;
  const extra = name === "seed" ? dice(input, check) : presets?.node;
  const node = el(
    "div.field",
    {},
    el("label", { htmlFor: id }, caption(name)),
    el("div.number-line", {}, input, extra),
    wrong,
    help(name, schema, `${id}-help`),
  );
  const set = (value) => {
    input.value = value;
    check();
  };
  return { node, get: () => Number(input.value), set, valid, focus: () => input.focus() };
}

function presetButtons(input, check) {
  const buttons = PRESETS.map((value) =>
    el("button", { type: "button", textContent: `${value}p`, data: { value }, on: { click: () => pick(value) } }),
  );
  function pick(value) {
    input.value = value;
    check();
  }
  function mark() {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === input.value));
  }
  const node = el("div.segments", { role: "group" }, buttons);
  setLabel(node, "settings.presets");
  node.removeAttribute("title");
  delete node.dataset.i18nTitle;
  return { node, mark };
}

function dice(input, check) {
  const roll = () => {
    input.value = Math.floor(Math.random() * SEEDS);
    check();
  };
  return el("button.icon", { type: "button", label: "settings.dice", on: { click: roll } }, icon("again"));
}
