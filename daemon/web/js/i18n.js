// The languages: texts come from /static/lang/*.json, which all have the same keys.

export const LANGUAGES = { en: "English", "zh-CN": "简体中文", "zh-TW": "繁體中文", ja: "日本語" };
const KEY = "seedvr2.language";

let language = "en";
let texts = {};
const listeners = new Set();

/** The text of `key`, with `{name}` replaced by `values.name`. */
export function translate(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export function has(key) {
  return key in texts;
}

export function currentLanguage() {
  return language;
}

/** Call `listener` after each change of the language. */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** Begin with the language chosen before, or else with the browser's. */
export async function startLanguage() {
  const stored = localStorage.getItem(KEY);
  await use(stored in LANGUAGES ? stored : preferred(navigator.languages));
}

/** Change the language, and remember it. */
export async function chooseLanguage(name) {
  localStorage.setItem(KEY, name);
  await use(name);
}

/** The best of our languages for a list such as `navigator.languages`. */
export function preferred(wanted) {
  for (const tag of wanted) {
    const { language: base, script, region } = new Intl.Locale(tag).maximize();
    if (base === "zh") return script === "Hant" || region === "TW" ? "zh-TW" : "zh-CN";
    if (base in LANGUAGES) return base;
  }
  return "en";
}

/** The browser's own variant of a language, such as en-GB for en: it says how the user writes times. */
export function localeOf(name) {
  return navigator.languages.find((tag) => preferred([tag]) === name && tag.startsWith(name.slice(0, 2))) ?? name;
}

async function use(name) {
  const answer = await fetch(`/static/lang/${name}.json`);
  texts = await answer.json();
  language = name;
  document.documentElement.lang = name;
  applyTexts(document);
  for (const listener of listeners) listener();
}

/** Fill every element under `root` that names its text: `data-i18n`, `data-i18n-title`, `data-i18n-aria-label`. */
function applyTexts(root) {
  for (const node of root.querySelectorAll("[data-i18n]")) node.textContent = translate(node.dataset.i18n);
  for (const node of root.querySelectorAll("[data-i18n-title]")) node.title = translate(node.dataset.i18nTitle);
  for (const node of root.querySelectorAll("[data-i18n-aria-label]")) {
    node.setAttribute("aria-label", translate(node.dataset.i18nAriaLabel));
  }
}
