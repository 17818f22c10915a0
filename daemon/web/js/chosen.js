// Several finished tasks chosen together: download them as one file, retry or delete them.

import * as api from "./api.js";
import { el, icon, setText } from "./dom.js";
import { number } from "./format.js";
import { onLanguage, translate } from "./i18n.js";
import { confirm, failed, say } from "./messages.js";

export class Chosen {
  #ids = new Set();
  #count = el("span.chosen-count", { role: "status" });
  #download = this.#button("download", "chosen.download", () => this.#save());
  #retry = this.#button("again", "chosen.retry", () => this.#retryAll());
  #remove = this.#button("trash", "chosen.delete", () => this.#removeAll());
  #all = el("button.small", { type: "button", i18n: "chosen.all", on: { click: () => this.#choose(this.tasks.ended) } });
  #none = el("button.small", { type: "button", i18n: "chosen.none", on: { click: () => this.#choose([]) } });
  node = el("div.chosen", { role: "group" }, this.#count, this.#download, this.#retry, this.#remove, this.#all, this.#none);

  /** `onChange()` is called when other tasks are chosen. */
  constructor(tasks, onChange) {
    Object.assign(this, { tasks, onChange });
    this.node.hidden = true;
    onLanguage(() => this.render());
  }

  /** A box that chooses a task; `update()` shows whether it is chosen. */
  box(task) {
    const input = el("input.choose", {
      type: "checkbox", label: "chosen.choose", "aria-description": task.original_filename,
      on: { change: () => this.#toggle(task.id, input.checked) },
    });
    return { node: input, update: () => (input.checked = this.#ids.has(task.id)) };
  }

  render() {
    const shown = new Set(this.tasks.ended.map((task) => task.id));
    // What is not seen must not be deleted with the rest.
    for (const id of this.#ids) if (!shown.has(id)) this.#ids.delete(id);
    this.node.hidden = !this.#ids.size;
    setText(this.#count, translate("chosen.count", { count: number(this.#ids.size) }));
    this.#download.hidden = !this.#downloads.length;
    this.#retry.hidden = !this.#retries.length;
  }

  get #tasks() {
    return this.tasks.ended.filter((task) => this.#ids.has(task.id));
  }

  get #downloads() {
    return this.#tasks.filter((task) => task.status === "completed" && task.available !== false);
  }

  get #retries() {
    return this.#tasks.filter((task) => task.status !== "completed");
  }

  #button(name, key, click) {
    return el("button.small", { type: "button", on: { click } }, icon(name), el("span", { i18n: key }));
  }

  #toggle(id, chosen) {
    if (chosen) this.#ids.add(id);
    else this.#ids.delete(id);
    this.onChange();
  }

  #choose(tasks) {
    this.#ids = new Set(tasks.map((task) => task.id));
    this.onChange();
    // The bar goes with the last one, and the focus would with it.
    if (!tasks.length) document.getElementById("work").focus();
  }

  #save() {
    const link = el("a", { href: api.zipUrl(this.#downloads.map((task) => task.id)), download: "" });
    link.click();
  }

  async #retryAll() {
    const tasks = this.#retries;
    const done = await this.#each(tasks, (task) => api.retry(task.id));
    if (done) say(translate("chosen.retried", { count: number(done) }));
    this.#choose([]);
  }

  async #removeAll() {
    const tasks = this.#tasks;
    const question = translate("chosen.delete_question", { count: number(tasks.length) });
    if (!(await confirm(question, translate("chosen.delete")))) return;
    await this.#each(tasks, async (task) => {
      await api.remove(task.id);
      this.tasks.drop(task.id);
    });
    await this.tasks.refresh().catch(() => {});
    this.onChange();
  }

  // One after the other, so that a hundred of them do not keep the service from others. Answers how many worked.
  async #each(tasks, act) {
    let done = 0;
    for (const task of tasks) {
      try {
        await act(task);
        done += 1;
      } catch (error) {
        failed(error);
        if (error.status === 0) break;
      }
    }
    return done;
  }
}
