// Asks for the token of the service, when it demands one. It stays in this tab; see `daemon/api/session.py`.

import { forgetToken, openSession } from "./api.js";
import { el, setText } from "./dom.js";
import { sentence } from "./messages.js";
import { translate } from "./i18n.js";

let asking = null;

/** A promise that is kept once the service has accepted a token. */
export function askForToken() {
  asking ??= ask().finally(() => (asking = null));
  return asking;
}

function ask() {
  const dialog = document.getElementById("token");
  forgetToken();
  return new Promise((resolve) => {
    const wrong = el("p.wrong", { role: "alert" });
    const input = el("input", { type: "password", id: "token-input", autocomplete: "current-password", required: true });
    const form = el(
      "form",
      { method: "dialog", on: { submit: (event) => send(event) } },
      el("h2", { id: "token-title", i18n: "token.title" }),
      el("p", { i18n: "token.why" }),
      el("label", { htmlFor: "token-input", i18n: "token.label" }),
      input,
      wrong,
      el("div.dialog-buttons", {}, el("button.primary", { type: "submit", i18n: "token.send" })),
    );
    async function send(event) {
      event.preventDefault();
      try {
        await openSession(input.value.trim());
        dialog.close();
        resolve();
      } catch (error) {
        forgetToken();
        setText(wrong, error.status === 401 ? translate("token.wrong") : sentence(error));
        input.select();
      }
    }
    dialog.replaceChildren(form);
    // Nothing works without it, so Escape does not close it.
    dialog.oncancel = (event) => event.preventDefault();
    dialog.showModal();
    input.focus();
  });
}
