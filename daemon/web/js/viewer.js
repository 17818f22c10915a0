// The result beside its source, over the whole window. `#task/ID` in the address opens it.

import * as api from "./api.js";
import { el, icon, iconButton, setLabel, setText } from "./dom.js";
import { facts } from "./facts.js";
import { onLanguage, translate } from "./i18n.js";
import { failed, notice } from "./messages.js";
import { Players } from "./players.js";
import { Stage, zoomButtons } from "./stage.js";
import { picture, Stills } from "./stills.js";
import { Transport } from "./transport.js";

const PIXELS = "seedvr2.pixels";
const FPS = 25;
const ADDRESS = /^#task\/([0-9a-f]{8})$/;

export class Viewer {
  #task = null;
  #players = null;
  #name = el("h2", { id: "viewer-name" });
  #zoom = el("output.zoom");
  #note = el("p.viewer-note", { role: "status" });
  #facts = el("div.viewer-facts");
  #stage = new Stage((text) => setText(this.#zoom, text));
  #transport = new Transport();
  #smooth = el("button", { type: "button", i18n: "view.smooth", on: { click: () => this.#showPixels(false) } });
  #pixels = el("button", { type: "button", i18n: "view.raw", on: { click: () => this.#showPixels(true) } });
  #download = el("a.button.primary", {}, icon("download"), el("span", { i18n: "task.download" }));

  constructor(dialog, settings, act, { again }) {
    Object.assign(this, { dialog, settings, act, again });
    dialog.append(this.#bar(), this.#stage.node, this.#side(), this.#note, this.#transport.node);
    dialog.addEventListener("keydown", (event) => this.#key(event));
    dialog.addEventListener("close", () => this.#closed());
    this.#showPixels(localStorage.getItem(PIXELS) === "true");
    addEventListener("hashchange", () => this.follow());
    onLanguage(() => this.#task && this.#describe());
  }

  open(task) {
    location.hash = `task/${task.id}`;
  }

  /** Show what the address names. */
  async follow() {
    const id = ADDRESS.exec(location.hash)?.[1];
    if (!id) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    if (this.#task?.id === id) return;
    try {
      await this.#show(await api.task(id));
    } catch (error) {
      failed(error);
      this.#leave();
    }
  }

  close() {
    this.dialog.close();
  }

  // -- inside ---------------------------------------------------------------------------------------------

  #bar() {
    const split = (key, percent) => el("button", { type: "button", i18n: key, on: { click: () => this.#stage.split(percent) } });
    return el(
      "header.viewer-bar",
      {},
      this.#name,
      el("div.segments.small.compare-only", {}, split("view.before", 100), split("view.both", 50), split("view.after", 0)),
      this.#enlarged(),
      zoomButtons(this.#stage),
      this.#zoom,
      iconButton("cross", "page.close", () => this.close()),
    );
  }

  // How the source is enlarged to the size of the result.
  #enlarged() {
    const node = el("div.segments.small.compare-only", { role: "group" }, this.#smooth, this.#pixels);
    setLabel(node, "view.enlarged");
    return node;
  }

  #showPixels(pixels) {
    this.#stage.pixels = pixels;
    localStorage.setItem(PIXELS, String(pixels));
    this.#smooth.setAttribute("aria-pressed", String(!pixels));
    this.#pixels.setAttribute("aria-pressed", String(pixels));
  }

  #side() {
    return el(
      "aside.viewer-side",
      {},
      el(
        "div.viewer-actions",
        {},
        this.#download,
        el("button", { type: "button", on: { click: () => this.#runAgain() } }, icon("again"), el("span", { i18n: "task.again" })),
        iconButton("trash", "task.delete", () => this.act.remove(this.#task, () => this.close())),
      ),
      this.#facts,
      el("p.hint.keys", { i18n: "view.keys" }),
    );
  }

  async #show(task) {
    if (task.status !== "completed") return this.#leave();
    this.#task = task;
    this.#describe();
    setText(this.#note, "");
    this.#download.href = api.resultUrl(task.id);
    this.#download.download = task.output_filename;
    if (!this.dialog.open) this.dialog.showModal();
    // Not its first button: the space bar would press that, not play.
    this.dialog.focus();
    const video = task.media.kind === "video";
    const [width, height] = task.output_resolution.split("x").map(Number);
    const sides = await Promise.all([shown(task, "result", video), shown(task, "source", video)]);
    if (this.#task !== task) return undefined;
    const [after, before] = sides;
    setText(this.#note, this.#noteOn(after, before));
    this.dialog.classList.toggle("no-source", !before || !after);
    this.#attach(video && after ? new Players(after, before, task.frames_total, (state) => this.#transport.show(state)) : null);
    this.#stage.show(after ?? before ?? el("div"), after ? before : null, width, height);
    return undefined;
  }

  #noteOn(after, before) {
    if (!after) return translate("view.cannot_show");
    if (!before) return translate("view.no_source");
    if (after instanceof Stills) return translate("view.stills");
    return before instanceof Stills ? translate("view.source_stills") : "";
  }

  #attach(players) {
    this.#players?.stop();
    this.#players = players;
    this.#transport.attach(players);
    players?.seek(0);
  }

  #describe() {
    setText(this.#name, this.#task.original_filename);
    this.#facts.replaceChildren(...facts(this.#task, this.settings));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    if (this.#transport.key(event) || this.#stage.key(event)) event.preventDefault();
  }

  #runAgain() {
    const task = this.#task;
    this.close();
    this.again(task);
  }

  #closed() {
    this.#attach(null);
    this.#stage.clear();
    this.#task = null;
    this.#leave();
  }

  #leave() {
    if (ADDRESS.test(location.hash)) history.replaceState(null, "", location.pathname);
    notice("viewer", "");
  }
}

/**
 * The result or source ("of") of a task, ready to be shown: by the browser itself, or else as the service draws it. Null
 * if it is gone.
 */
async function shown(task, of, video) {
  const url = of === "source" ? api.sourceUrl(task.id) : api.resultUrl(task.id);
  if (!video) return (await picture(url)) ?? picture(api.frameUrl(task.id, of, 0));
  return (await playable(url)) ?? Stills.of(task, of, task.media.duration_s ?? task.media.frames / FPS);
}

function playable(url) {
  const node = el("video", { preload: "auto", playsInline: true });
  return new Promise((resolve) => {
    // Some browsers play the sound of what they cannot show.
    node.addEventListener("loadeddata", () => resolve(node.videoWidth ? node : null), { once: true });
    node.addEventListener("error", () => resolve(null), { once: true });
    node.src = url;
  });
}
