// "Again with other settings": the settings of a task are put into the form, and its source runs again as they are then.

import * as api from "./api.js";
import { el, iconButton, setText } from "./dom.js";
import { onLanguage, translate } from "./i18n.js";
import { failed, say } from "./messages.js";
import { stamp } from "./parts.js";

export class Again {
  #task = null;
  #text = el("span");

  constructor(node, settings) {
    Object.assign(this, { node, settings });
    node.className = "again";
    onLanguage(() => this.#write());
  }

  /** Offer another run of this task's source. */
  prepare(task) {
    this.#task = task;
    this.settings.apply(task.params);
    this.settings.show();
    const start = el("button.primary", { type: "button", i18n: "again.start", on: { click: () => this.#start() } });
    const forget = iconButton("cross", "again.forget", () => this.#close());
    this.node.replaceChildren(stamp(task), this.#text, start, forget);
    this.node.hidden = false;
    this.#write();
    start.focus();
    this.node.scrollIntoView({ block: "nearest" });
  }

  async #start() {
    if (!this.settings.check()) return;
    try {
      await api.again(this.#task.id, this.settings.changes);
      say(translate("task.retried", { name: this.#task.original_filename }));
      this.#close();
    } catch (error) {
      failed(error);
    }
  }

  #write() {
    if (this.#task) setText(this.#text, translate("again.text", { name: this.#task.original_filename }));
  }

  #close() {
    this.#task = null;
    this.node.hidden = true;
  }
}
