// Presets: named settings that the service keeps, for this page, the inbox, the API and assistants alike.

import * as api from "./api.js";
import { el, icon, setText } from "./dom.js";
import { onLanguage, translate } from "./i18n.js";
import { confirm, failed, say } from "./messages.js";

export class Presets {
  #all = [];
  #select = el("select", { id: "preset", on: { change: () => this.#use() } });
  #save = el("button.small", { type: "button", id: "preset-save", i18n: "presets.save", "aria-expanded": "false", on: { click: () => this.#ask(this.#name.hidden) } });
  #remove = el("button.icon", { type: "button", id: "preset-delete", label: "presets.delete", on: { click: () => this.#delete() } }, icon("trash"));
  #input = el("input", { type: "text", id: "preset-name", maxLength: 60, autocomplete: "off", on: { keydown: (event) => this.#key(event) } });
  #wrong = el("span.wrong", { role: "alert" });
  #name = el(
    "div.preset-name",
    { hidden: true },
    el("label", { htmlFor: "preset-name", i18n: "presets.name" }),
    el("div.number-line", {}, this.#input, el("button.small", { type: "button", i18n: "presets.keep", on: { click: () => this.#keep() } })),
    this.#wrong,
  );
  node = el(
    "div.field.presets",
    {},
    el("label", { htmlFor: "preset" }, el("span.caption", { i18n: "presets.title" })),
    el("div.number-line", {}, this.#select, this.#save, this.#remove),
    this.#name,
  );

  constructor(settings) {
    this.settings = settings;
    settings.top.append(this.node);
    settings.onChange(() => this.#mark());
    onLanguage(() => this.#show());
  }

  async refresh() {
    this.#take(await api.presets());
  }

  #take({ presets }) {
    this.#all = presets;
    this.#show();
  }

  #show() {
    const own = el("option", { value: "", textContent: translate("presets.own") });
    const named = this.#all.map(({ name }) => el("option", { value: name, textContent: name }));
    this.#select.replaceChildren(own, ...named);
    this.#mark();
  }

  // Two may hold the same; the one that was chosen stays so then.
  #mark() {
    const chosen = this.#all.find(({ name }) => name === this.#select.value);
    const same = (preset) => preset && this.settings.matches(preset.parameters);
    const now = same(chosen) ? chosen : this.#all.find(same);
    this.#select.value = now?.name ?? "";
    this.#remove.hidden = !now?.saved;
  }

  #use() {
    const chosen = this.#all.find(({ name }) => name === this.#select.value);
    this.settings.apply(chosen?.parameters ?? {});
  }

  #ask(open) {
    if (open && !this.settings.check()) return;
    this.#name.hidden = !open;
    this.#save.setAttribute("aria-expanded", String(open));
    setText(this.#wrong, "");
    if (!open) return;
    const chosen = this.#all.find(({ name, saved }) => saved && name === this.#select.value);
    this.#input.value = chosen?.name ?? "";
    this.#input.focus();
  }

  #key(event) {
    if (event.key === "Enter") this.#keep();
    else if (event.key === "Escape") this.#ask(false);
    else return;
    event.preventDefault();
    if (this.#name.hidden) this.#save.focus();
  }

  async #keep() {
    const name = this.#input.value.trim();
    if (!name) return this.#input.focus();
    try {
      const answer = await api.savePreset(name, this.settings.changes);
      this.#ask(false);
      this.#take(answer);
      this.#select.value = name;
      this.#mark();
      this.#save.focus();
      return say(translate("presets.saved", { name }));
    } catch (error) {
      if (error.status === 0) return failed(error);
      return setText(this.#wrong, error.message);
    }
  }

  async #delete() {
    const name = this.#select.value;
    if (!(await confirm(translate("presets.delete_question", { name }), translate("presets.delete")))) return;
    try {
      this.#take(await api.deletePreset(name));
    } catch (error) {
      failed(error);
    }
    this.#select.focus();
  }
}
