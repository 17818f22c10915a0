// The models as cards: choose one for the next tasks, load it, see what could be fetched.

import * as api from "./api.js";
import { el, iconButton, reconcile, setText } from "./dom.js";
import { modelName } from "./format.js";
import { onLanguage, translate } from "./i18n.js";
import { confirm, failed } from "./messages.js";
import { describe, factsOf, titleOf } from "./model_facts.js";
import { offer } from "./offers.js";

export class Models {
  #chosen = "";
  #listeners = [];
  #data = { models: [], default: "", current: null, loading_model: null, pulls: [], free_bytes: null };
  #views = new Map();
  #here = el("div.cards");
  // A scroller must be reached by the keyboard, and so have a name.
  #elsewhere = el("div.cards.offers", { tabIndex: 0, role: "group", data: { i18nAriaLabel: "models.more" }, "aria-label": translate("models.more") });
  #more = el("details.more", {}, el("summary", { i18n: "models.more" }), this.#elsewhere);
  #otherViews = new Map();
  #first = el("div");
  #firstViews = new Map();
  /** Where only the embedded model is here: the one that is worth fetching. */
  firstOffer = el("div.first-offer", { hidden: true }, el("p", { i18n: "models.only_nano" }), this.#first);
  #legend = el("span.caption", { i18n: "param.dit_model" });
  node = el("fieldset.field.models", {}, el("legend", {}, this.#legend), this.#here, this.#more);

  /** `onLoaded` is called when the user has brought a model into memory. */
  constructor(onLoaded) {
    this.onLoaded = onLoaded;
    onLanguage(() => this.render());
  }

  onChoice(listener) {
    this.#listeners.push(listener);
  }

  get() {
    return this.#chosen;
  }

  set(name) {
    this.#chosen = name ?? "";
    this.render();
  }

  valid() {
    return true;
  }

  async refresh() {
    this.#data = await api.models();
    this.render();
  }

  /** A download has got further, or has ended. */
  async pulled(pull) {
    // What goes to another machine is on the card of that one.
    if (pull.machine) return;
    this.#data.pulls = [...this.#data.pulls.filter((each) => each.model !== pull.model), pull];
    this.render();
    if (pull.state === "done") await this.refresh();
  }

  /** What is known of a model by its name. */
  known(name) {
    return this.#data.models.find((model) => model.name === name) ?? { name };
  }

  /** Which model is in memory or on its way there, as the GPU's state says. */
  loaded(current, loading) {
    if (current === this.#data.current && loading === this.#data.loading_model) return;
    Object.assign(this.#data, { current, loading_model: loading });
    this.render();
  }

  render() {
    const here = this.#data.models.filter((model) => model.available);
    const elsewhere = this.#data.models.filter((model) => !model.available);
    const automatic = { name: "", automatic: true };
    // A chosen model may have been deleted since; it stays in sight so that another can be chosen.
    const missing = this.#chosen && !here.some((model) => model.name === this.#chosen);
    const lost = missing ? [{ name: this.#chosen, available: false, lost: true }] : [];
    const make = (model) => this.#card(model);
    reconcile(this.#here, [automatic, ...here, ...lost], this.#views, (model) => model.name, make);
    const offered = elsewhere.map((model) => ({ ...model, pull: this.#pullOf(model), free: this.#data.free_bytes }));
    const makeOffer = (model) => offer(model, { onPull: () => this.refresh() });
    const suggested = offered.filter((model) => model.name === this.#data.suggested);
    reconcile(this.#first, suggested, this.#firstViews, (model) => model.name, makeOffer);
    this.firstOffer.hidden = suggested.length === 0;
    reconcile(this.#elsewhere, offered, this.#otherViews, (model) => model.name, makeOffer);
    this.#more.hidden = elsewhere.length === 0;
  }

  #pullOf({ name }) {
    return this.#data.pulls?.find((pull) => pull.model === name && !pull.machine);
  }

  #card({ name }) {
    const radio = el("input", { type: "radio", name: "p-dit_model", value: name, on: { change: () => this.#choose(name) } });
    const [title, facts, badges] = [el("span.card-title"), el("span.card-facts"), el("span.badges")];
    const load = el("button.small", { type: "button", on: { click: () => this.#load(name) } });
    const label = el("label.card-label", {}, radio, el("span.card-text", {}, title, badges, facts));
    const remove = iconButton("trash", "models.remove", () => this.#remove(name));
    const node = el("div.card", {}, label, load, remove);
    const update = (model) => {
      radio.checked = this.#chosen === name;
      const loaded = !model.automatic && model.name === this.#data.current;
      const loading = !model.automatic && model.name === this.#data.loading_model;
      setText(title, model.automatic ? translate("models.default") : titleOf(model));
      setText(facts, model.automatic ? modelName(this.#data.default) : factsOf(model));
      label.title = model.automatic ? this.#data.default : `${model.name}\n${describe(model)}`;
      badges.replaceChildren(...this.#badges(model, loaded));
      load.hidden = Boolean(model.automatic || model.lost || loaded);
      load.disabled = loading;
      setText(load, translate(loading ? "models.loading" : "models.load"));
      load.setAttribute("aria-label", `${load.textContent}: ${model.name}`);
      // What is in memory has to leave it first; the bar on top has a button for that.
      remove.hidden = !model.fetched || loaded || loading;
      remove.setAttribute("aria-description", model.name);
    };
    return { node, update };
  }

  #badges(model, loaded) {
    return [
      loaded && el("span.badge.good", { textContent: translate("models.loaded") }),
      model.sha256_ok === false && el("span.badge.bad", { textContent: translate("models.damaged") }),
      model.lost && el("span.badge.bad", { textContent: translate("models.lost") }),
    ].filter(Boolean);
  }

  #choose(name) {
    this.#chosen = name;
    for (const listener of this.#listeners) listener();
    this.render();
  }

  async #remove(name) {
    const question = translate("models.remove_question", { name });
    if (!(await confirm(question, translate("models.remove")))) return;
    try {
      await api.removeModel(name);
      if (this.#chosen === name) this.#choose("");
      await this.refresh();
    } catch (error) {
      failed(error);
    }
  }

  async #load(name) {
    this.loaded(this.#data.current, name);
    try {
      const answer = await api.switchModel(name);
      this.loaded(answer.model, null);
      this.onLoaded();
    } catch (error) {
      this.loaded(this.#data.current, null);
      failed(error);
    }
  }
}
