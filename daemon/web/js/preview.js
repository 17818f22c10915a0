// What a task will look like, before it runs: the plain resize and some strengths, side by side, in seconds.

import { authorization } from "./api.js";
import { el, icon, iconButton, setText } from "./dom.js";
import { fileSize, modelName, size } from "./format.js";
import { onLanguage, translate } from "./i18n.js";
import * as kept from "./kept.js";
import { Stage, zoomButtons } from "./stage.js";
import { picture } from "./stills.js";

export class Preview {
  #subject = null;
  #shown = null;
  #chosen = null;
  #request = null;
  #name = el("h2", { id: "preview-name" });
  #zoom = el("output.zoom");
  #note = el("p.viewer-note", { role: "status" });
  #state = el("p.preview-state", { role: "status" });
  #bar = el("progress", { max: 1 });
  #choices = el("div.preview-choices", { role: "group" });
  #facts = el("p.hint");
  #at = el("input", { type: "number", min: 0, step: "any", id: "preview-at" });
  #place = el("form.preview-place", { on: { submit: (event) => this.#look(event) } });
  #use = el("button.primary", { type: "button", on: { click: () => this.#take(false) } }, el("span", { i18n: "preview.use" }));
  #start = el("button", { type: "button", on: { click: () => this.#take(true) } }, icon("upload"), el("span", { i18n: "preview.start" }));
  #stage = new Stage((text) => setText(this.#zoom, text), ["preview.plain", "preview.restored"]);

  /** `settings` gets the strength that is chosen; `start(file)` sends a file to be upscaled. */
  constructor(dialog, settings, { askForToken, start }) {
    Object.assign(this, { dialog, settings, askForToken, start });
    this.#bar.setAttribute("aria-labelledby", "preview-name");
    this.#choices.setAttribute("aria-labelledby", "preview-name");
    this.#place.append(el("label", { htmlFor: "preview-at", i18n: "preview.at" }), this.#at, el("button", { type: "submit", i18n: "preview.look" }));
    dialog.append(this.#top(), this.#stage.node, this.#side(), this.#note);
    dialog.addEventListener("keydown", (event) => this.#key(event));
    dialog.addEventListener("close", () => this.#closed());
    onLanguage(() => this.#shown && this.#describe());
  }

  /** Show what a file would become with the present settings. */
  ofFile(file) {
    if (this.settings.check()) this.#ask({ name: file.name, file });
  }

  /** Show what a task will give, or would have given, with its own parameters. */
  ofTask(task) {
    this.#ask({ name: task.original_filename, task });
  }

  // -- inside ---------------------------------------------------------------------------------------------

  #top() {
    return el(
      "header.viewer-bar",
      {},
      this.#name,
      zoomButtons(this.#stage),
      this.#zoom,
      iconButton("cross", "page.close", () => this.dialog.close()),
    );
  }

  #side() {
    const actions = el("div.viewer-actions", {}, this.#use, this.#start);
    return el("aside.viewer-side", {}, this.#state, this.#bar, this.#choices, actions, this.#place, this.#facts);
  }

  #ask(subject, at = "") {
    this.#request?.abort();
    this.#subject = subject;
    this.#shown = this.#chosen = null;
    setText(this.#name, translate("preview.title", { name: subject.name }));
    setText(this.#note, "");
    this.#busy(true);
    if (!this.dialog.open) {
      this.dialog.showModal();
      // Not its first button, which would be pressed by the space bar.
      this.dialog.focus();
    }
    this.#send(formOf(subject, this.settings, at), at);
  }

  #send(form, at) {
    const request = new XMLHttpRequest();
    this.#request = request;
    request.open("POST", "/api/preview");
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => this.#progress(event.loaded / Math.max(event.total, 1));
    request.onload = () => this.#answered(request, at);
    request.onerror = () => this.#failed(translate("upload.cut"));
    request.send(form);
  }

  #progress(share) {
    const sending = share < 1 && this.#subject.file && !kept.idOf(this.#subject.file);
    if (sending) this.#bar.value = share;
    else this.#bar.removeAttribute("value");
    setText(this.#state, sending ? translate("preview.sending", { size: fileSize(this.#subject.file.size) }) : translate("preview.making"));
  }

  async #answered(request, at) {
    if (request !== this.#request) return;
    const answer = parse(request.responseText);
    if (request.status === 401) {
      await this.askForToken();
      this.#ask(this.#subject, at);
    } else if (kept.isGone(this.#subject.file, answer)) {
      this.#ask(this.#subject, at);
    } else if (request.status !== 200) {
      this.#failed(answer.error ?? translate("error.unknown", { status: request.status }));
    } else {
      if (this.#subject.file) kept.note(this.#subject.file, answer);
      await this.#show(answer, request);
    }
  }

  #failed(text) {
    this.#busy(false);
    setText(this.#note, text);
  }

  async #show(answer, request) {
    const images = await Promise.all(answer.images.map(({ url }) => picture(url)));
    if (request !== this.#request) return;
    if (images.some((image) => !image)) {
      this.#failed(translate("preview.gone"));
      return;
    }
    this.#shown = { ...answer, loaded: images };
    this.#busy(false);
    this.#at.value = answer.images[0].at ?? "";
    this.#place.hidden = answer.images[0].at === null;
    setText(this.#note, answer.warnings.join(" "));
    this.#describe();
    const wanted = answer.images.findIndex(({ strength }) => strength === 1);
    this.#choose(wanted < 0 ? answer.images.length - 1 : wanted);
  }

  #describe() {
    const { images, crop, model, output_width: width, output_height: height } = this.#shown;
    setText(this.#name, translate("preview.title", { name: this.#subject.name }));
    const part = crop ? translate("preview.part", { size: size(crop.width, crop.height) }) : translate("preview.whole");
    setText(this.#facts, [`→ ${size(width, height)}`, part, modelName(model)].join(" · "));
    this.#choices.replaceChildren(...images.map((image, index) => this.#choice(image, index)));
    this.#mark();
  }

  #choice({ strength, url }, index) {
    const text = strength ? translate("preview.strength", { strength: String(strength) }) : translate("preview.plain");
    const picture = el("img", { src: url, alt: "", draggable: false });
    return el("button.preview-choice", { type: "button", on: { click: () => this.#choose(index) } }, picture, el("span", { textContent: text }));
  }

  /** Show a strength beside the plain resize; the plain resize by itself. */
  #choose(index) {
    const { images, loaded, width, height } = this.#shown;
    this.#chosen = index;
    const [plain, after] = [loaded[0], loaded[index]];
    this.#stage.show(after, images[index].strength ? plain : null, width, height);
    this.#mark();
  }

  #mark() {
    [...this.#choices.children].forEach((node, index) => node.setAttribute("aria-pressed", String(index === this.#chosen)));
  }

  #busy(busy) {
    this.#bar.hidden = this.#state.hidden = !busy;
    const ready = Boolean(this.#shown);
    this.#use.disabled = this.#start.disabled = !ready;
    this.#start.hidden = !this.#subject.file;
    this.#choices.hidden = this.#facts.hidden = !ready;
    if (!ready) {
      this.#place.hidden = true;
      this.#stage.clear();
    }
    if (busy) this.#progress(this.#subject.file ? 0 : 1);
  }

  #take(starting) {
    const { strength } = this.#shown.images[this.#chosen];
    const { file } = this.#subject;
    this.settings.apply({ ...this.settings.changes, strength });
    this.dialog.close();
    if (starting) this.start(file);
    else this.settings.show();
  }

  #look(event) {
    event.preventDefault();
    this.#ask(this.#subject, this.#at.value);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    if (this.#shown && this.#stage.key(event)) event.preventDefault();
  }

  #closed() {
    this.#request?.abort();
    this.#request = this.#shown = null;
    this.#stage.clear();
    this.#choices.replaceChildren();
  }
}

/** The form of a preview; the parameters first, so that the service could refuse them before the file has come. */
function formOf({ file, task }, settings, at) {
  const form = new FormData();
  if (at !== "") form.append("at", at);
  if (task) {
    form.append("task_id", task.id);
    return form;
  }
  for (const [name, value] of Object.entries(settings.changes)) form.append(name, String(value));
  kept.append(form, file);
  return form;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
