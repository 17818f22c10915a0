// A long video is planned before it is sent: what it would take here, and whether it fits. The rest is sent at once.

import * as api from "./api.js";
import { el, iconButton, reconcile, setText } from "./dom.js";
import { duration, fileSize, modelName, number, size } from "./format.js";
import { onLanguage, translate } from "./i18n.js";
import { isVideoFile, lookInto } from "./look.js";
import { sentence } from "./messages.js";

// What takes longer is not begun unasked, nor what is larger and cannot be looked into here.
const LONG_S = 300;
const LARGE_BYTES = 100e6;
// Of a video whose time nobody knows.
const MANY_FRAMES = 1000;
const SOON_MS = 300;
// A wait that is not worth a word.
const SHORT_WAIT_S = 30;
let counter = 0;

export class Plans {
  #list = [];
  #views = new Map();
  #node = el("ul.plans");
  #timer = 0;
  #looking = Promise.resolve();

  /** `start(files, parameters, note)` sends files; `settings` says with what. */
  constructor(parent, settings, { start }) {
    Object.assign(this, { settings, start });
    this.#node.setAttribute("role", "list");
    parent.append(this.#node);
    settings.onChange(() => this.#settingsChanged());
    onLanguage(() => this.#render());
  }

  /** Send files, and hold each that would take long until its plan was seen. */
  add(files) {
    const pictures = files.filter((file) => !isVideoFile(file));
    if (pictures.length) this.start(pictures, this.settings.changes);
    for (const file of files.filter((each) => isVideoFile(each))) this.#look(file);
  }

  // -- inside ---------------------------------------------------------------------------------------------

  async #look(file) {
    const held = { id: ++counter, file, source: null, plan: null, error: "", busy: true, shown: false };
    this.#list.push(held);
    // Most are sent before anybody could read anything.
    setTimeout(() => this.#show(held), SOON_MS);
    // One after the other: a browser plays so many videos at a time, and no more.
    held.source = await (this.#looking = this.#looking.then(() => lookInto(file)));
    if (held.source) await this.#ask(held, api.plan({ ...held.source, ...this.settings.changes }));
    held.busy = false;
    const known = held.plan ? isShort(held.plan) : !held.error && file.size < LARGE_BYTES;
    if (known) this.#begin(held);
    else this.#show(held);
  }

  #show(held) {
    held.shown = true;
    this.#render();
  }

  /** Take the plan that is under way, unless another was asked for meanwhile. */
  async #ask(held, answer) {
    held.asked = answer;
    try {
      const plan = await answer;
      if (held.asked === answer) Object.assign(held, { plan, error: "" });
    } catch (error) {
      if (held.asked === answer) Object.assign(held, { plan: null, error: sentence(error) });
    }
    this.#render();
  }

  // The browser cannot read it: the server gets it for this, and keeps it for a while.
  async #askServer(held) {
    held.busy = true;
    this.#render();
    await this.#ask(held, api.planFile(held.file, this.settings.changes));
    if (held.plan) {
      const { width, height, frames } = held.plan;
      held.source = { width, height, frames };
    }
    held.busy = false;
    this.#render();
  }

  #settingsChanged() {
    clearTimeout(this.#timer);
    if (!this.#list.some((held) => held.source)) return;
    this.#timer = setTimeout(() => {
      for (const held of this.#list.filter(({ source }) => source)) {
        this.#ask(held, api.plan({ ...held.source, ...this.settings.changes }));
      }
    }, SOON_MS);
  }

  #begin(held) {
    if (!this.#list.includes(held) || !this.settings.check()) return this.#show(held);
    this.#drop(held);
    this.start([held.file], this.settings.changes, held.plan ? inShort(held.plan) : "");
  }

  #drop(held) {
    this.#list = this.#list.filter((each) => each !== held);
    this.#render();
  }

  #render() {
    reconcile(this.#node, this.#list.filter(({ shown }) => shown), this.#views, ({ id }) => id, (held) => this.#card(held));
  }

  #card(held) {
    const [facts, verdict, why] = [el("dl.facts"), el("span.badge"), el("p.hint")];
    const name = el("strong.row-name", { textContent: held.file.name, title: held.file.name });
    const begin = el("button.primary", { type: "button", i18n: "again.start", on: { click: () => this.#begin(held) } });
    const ask = el("button", { type: "button", i18n: "plan.ask_server", on: { click: () => this.#askServer(held) } });
    for (const button of [begin, ask]) button.setAttribute("aria-description", held.file.name);
    const node = el(
      "li.plan",
      {},
      el("div.row-head", {}, name, verdict, iconButton("cross", "again.forget", () => this.#drop(held))),
      facts,
      why,
      el("div.plan-actions", {}, begin, ask),
    );
    const update = ({ plan, source, error, busy, file }) => {
      facts.replaceChildren(...(plan ? rowsOf(plan).map(([key, text]) => row(translate(key), text)) : []));
      facts.hidden = !plan;
      verdict.hidden = !plan;
      if (plan) {
        setText(verdict, translate(`fits.${plan.fits}`));
        verdict.className = `badge ${{ true: "good", false: "bad" }[plan.fits] ?? "warn"}`;
      }
      const unreadable = source || plan ? "" : translate("plan.unreadable", { size: fileSize(file.size) });
      setText(why, busy ? translate("plan.looking") : error || plan?.why || unreadable);
      why.hidden = !why.textContent;
      why.classList.toggle("bad", Boolean(error) || plan?.fits === false);
      begin.disabled = busy;
      ask.hidden = busy || Boolean(source) || Boolean(plan);
    };
    return { node, update };
  }
}

function isShort({ fits, seconds, frames }) {
  return fits === true && (seconds === null ? frames < MANY_FRAMES : seconds < LONG_S);
}

function inShort(plan) {
  return `→ ${size(plan.output_width, plan.output_height)} · ${timeOf(plan)}`;
}

function rowsOf(plan) {
  const { width, height, output_width: toWidth, output_height: toHeight } = plan;
  const frames = translate("task.frames", { count: number(plan.frames) });
  return [
    ["fact.size", `${size(width, height)} → ${size(toWidth, toHeight)} · ${frames}`],
    ["plan.time", timeOf(plan)],
    plan.memory_bytes !== null && ["plan.memory", of(plan.memory_bytes, plan.memory_free_bytes)],
    ["plan.disk", of(plan.disk_bytes, plan.disk_free_bytes)],
    plan.model && ["fact.model", modelName(plan.model)],
  ].filter(Boolean);
}

function timeOf({ seconds, measured, wait_s: wait }) {
  if (seconds === null) return translate("plan.unknown");
  const time = translate(measured ? "plan.about" : "plan.rough", { time: duration(seconds) });
  return wait > SHORT_WAIT_S ? `${time}, ${translate("plan.after", { time: duration(wait) })}` : time;
}

function of(need, free) {
  return free === null ? fileSize(need) : translate("plan.of", { need: fileSize(need), free: fileSize(free) });
}

function row(name, value) {
  return el("div", {}, el("dt", { textContent: name }), el("dd", { textContent: value }));
}
