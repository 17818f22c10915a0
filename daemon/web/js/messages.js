// What the page says: short messages that pass, notices that stay while something is wrong, and questions.

import { el, iconButton } from "./dom.js";
import { translate } from "./i18n.js";

const SHOWN_MS = 6000;
const ERROR_MS = 15000;
const notices = new Map();

/** Say something in passing; `kind` is "info" or "error". A screen reader reads it out. */
export function say(text, kind = "info") {
  const toast = el(`div.toast.${kind}`, {}, el("span", { textContent: text }));
  toast.append(iconButton("cross", "page.close", () => toast.remove()));
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), kind === "error" ? ERROR_MS : SHOWN_MS);
}

/** The sentence of an error. */
export function sentence(error) {
  if (error.status === 0) return translate("error.unreachable");
  return error.message || translate("error.unknown", { status: error.status ?? "?" });
}

/** Tell of something that did not work. */
export function failed(error) {
  // The notice about the line says this already.
  if (error.status !== 0 || !notices.has("line")) say(sentence(error), "error");
}

/** Show a notice as long as `text` is not empty. */
export function notice(name, text, kind = "warn") {
  const old = notices.get(name);
  if ((old?.textContent ?? "") === text) return;
  old?.remove();
  notices.delete(name);
  if (!text) return;
  const node = el(`p.notice.${kind}`, { textContent: text });
  notices.set(name, node);
  document.getElementById("notices").append(node);
}

/** Whether a notice says this already. */
export function isTold(text) {
  return Boolean(text) && [...notices.values()].some((node) => node.textContent.includes(text));
}

/** Ask before something is lost. Answers a promise of true or false. */
export function confirm(text, action) {
  const dialog = document.getElementById("confirm");
  return new Promise((resolve) => {
    const answer = (value) => {
      dialog.onclose = null;
      dialog.close();
      resolve(value);
    };
    dialog.replaceChildren(
      el("p", { id: "confirm-text", textContent: text }),
      el(
        "div.dialog-buttons",
        {},
        el("button", { type: "button", i18n: "page.keep", on: { click: () => answer(false) } }),
        el("button.danger", { type: "button", textContent: action, on: { click: () => answer(true) } }),
      ),
    );
    dialog.onclose = () => {
      // The event of a question before this one can come late; this one is open then, and not answered.
      if (!dialog.open) answer(false);
    };
    dialog.showModal();
  });
}
