// The parameters: made from the server's table, with its defaults; what the user changed is remembered.

import { makeControl } from "./controls.js";
import { el } from "./dom.js";

const KEY = "seedvr2.settings";
// A parameter that is in no group, because the server is newer than this page, comes last.
const GROUPS = {
  basic: ["resolution", "scale", "strength", "dit_model", "color_correction", "profile", "output_format", "priority"],
  video: ["batch_size", "temporal_overlap", "prepend_frames", "uniform_batch_size", "shots", "stitching", "deinterlace"],
  coding: ["video_codec", "encoder", "crf", "encoder_preset"],
  memory: ["vae_tiling", "vae_quality", "blocks_to_swap", "tf32"],
  fine: ["softness", "seed", "long_edge", "max_resolution", "fit_width", "fit_height", "input_noise_scale", "latent_noise_scale"],
};

export class Settings {
  #schemas = {};
  #controls = new Map();
  #listeners = [];
  #all = el("details.all");
  top = el("div");
  #reset = el("button.link", { type: "button", i18n: "settings.reset", on: { click: () => this.apply({}) } });

  /** `form` is filled; `models` is the control of the model. */
  constructor(form, models) {
    this.form = form;
    this.models = models;
    models.onChoice(() => this.#changed());
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Call `listener()` whenever a value may have changed. */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** Make the controls from the API document. */
  build(document) {
    const { file: _file, preset: _preset, ...schemas } = document.components.schemas.SubmitForm.properties;
    this.#schemas = schemas;
    this.#controls = new Map(Object.keys(schemas).map((name) => [name, this.#control(name)]));
    const grouped = Object.values(GROUPS).flat();
    const rest = Object.keys(schemas).filter((name) => !grouped.includes(name));
    this.#all.append(
      el("summary", {}, el("h2", { i18n: "settings.title" })),
      this.top,
      el("div.group", {}, this.#nodes(GROUPS.basic)),
      this.#group("video", GROUPS.video),
      this.#group("coding", GROUPS.coding),
      this.#group("memory", GROUPS.memory),
      this.#group("fine", [...GROUPS.fine, ...rest]),
    );
    // On a narrow screen they would push the queue out of sight.
    this.#all.open = !matchMedia("(max-width: 56rem)").matches;
    this.form.replaceChildren(this.#all, this.#reset);
    this.apply(remembered());
  }

  /** Set all controls: `values` over the defaults. A value of a parameter that is gone is left out. */
  apply(values) {
    this.applying = true;
    for (const [name, control] of this.#controls) control.set(values[name] ?? this.#schemas[name].default);
    this.applying = false;
    this.#changed();
  }

  /** Whether all is as `apply(values)` would set it. */
  matches(values) {
    return [...this.#controls].every(([name, control]) => control.get() === (values[name] ?? this.#schemas[name].default));
  }

  /** What differs from the server's defaults. */
  get changes() {
    const all = [...this.#controls].map(([name, control]) => [name, control.get()]);
    const changed = Object.fromEntries(all.filter(([name, value]) => value !== this.#schemas[name].default));
    // A size that comes alone would put the server's own scale or long edge out of force, which is what is shown here.
    const { scale, long_edge: longEdge } = Object.fromEntries(all);
    if (!("resolution" in changed || "long_edge" in changed)) return changed;
    return { ...changed, ...(longEdge && { long_edge: longEdge }), ...(scale && { scale }) };
  }

  /** Whether every value is one that the server takes; shows the first that is not. */
  check() {
    const wrong = [...this.#controls.values()].find((control) => !control.valid());
    if (!wrong) return true;
    this.show(wrong.node);
    wrong.focus();
    return false;
  }

  /** Open what hides `node`, or the settings as a whole. */
  show(node = this.#all) {
    for (let group = node.closest("details"); group; group = group.parentElement.closest("details")) group.open = true;
  }

  /** Whether a value is the default of this server. */
  isDefault(name, value) {
    const schema = this.#schemas[name];
    return !schema || value === null || value === schema.default;
  }

  #control(name) {
    return name === "dit_model" ? this.models : makeControl(name, this.#schemas[name], () => this.#changed());
  }

  #nodes(names) {
    return names.filter((name) => this.#controls.has(name)).map((name) => this.#controls.get(name).node);
  }

  #group(name, members) {
    const mark = el("span.changed", { data: { members: members.join(" ") } });
    const summary = el("summary", {}, el("span", { i18n: `settings.${name}` }), mark);
    return el("details.group", {}, summary, el("div.group-body", {}, this.#nodes(members)));
  }

  #changed() {
    if (this.applying || !this.#controls.size) return;
    const changes = this.changes;
    localStorage.setItem(KEY, JSON.stringify(changes));
    for (const listener of this.#listeners) listener();
    this.#reset.hidden = Object.keys(changes).length === 0;
    // A closed group must not hide that something in it is not as usual.
    for (const mark of this.form.querySelectorAll(".changed")) {
      const count = mark.dataset.members.split(" ").filter((name) => name in changes).length;
      mark.textContent = count || "";
    }
    for (const listener of this.#listeners) listener();
  }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}
