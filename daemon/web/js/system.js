// What the service runs on: folders with the room on their disks, the GPU, versions, and the end of the log. `#system` in
// the address opens it.

import * as api from "./api.js";
import { el, iconButton, setText } from "./dom.js";
import { duration, fileSize, memory, number } from "./format.js";
import { onLanguage, translate } from "./i18n.js";
import { Machines } from "./machines.js";
import { sentence } from "./messages.js";

const ADDRESS = "#system";
const ASK_MS = 5000;
const LINES = 200;
const LEVELS = ["debug", "info", "warning", "error"];

export class System {
  #system = null;
  #gpu = null;
  #timer = 0;
  #folders = el("tbody");
  #facts = el("dl.facts");
  #versions = el("dl.facts");
  #lacking = [];
  #pulls = [];
  #cards;
  #machines = el("section", { hidden: true }, el("h2", { i18n: "system.machines" }));
  #problem = el("p.wrong", { role: "alert" });
  #level = el("select.small", { id: "log-level", on: { change: () => this.#refresh() } });
  // A scroller must be reached by the keyboard, and so have a name.
  #log = el("div.log", { tabIndex: 0, role: "region", "aria-labelledby": "log-title" });

  constructor(dialog, models) {
    this.dialog = dialog;
    this.#cards = new Machines({ known: (name) => models.known(name), onPull: () => this.#refresh() });
    this.#machines.append(this.#cards.node);
    const title = (key, id) => el("h2", { i18n: key, id });
    dialog.append(
      el("header.viewer-bar", {}, el("h2", { id: "system-title", i18n: "system.title" }), iconButton("cross", "page.close", () => dialog.close())),
      el(
        "div.system-body",
        {},
        this.#problem,
        el("section", {}, title("system.folders"), el("table", {}, this.#head(), this.#folders)),
        this.#machines,
        el("div.system-columns", {}, el("section", {}, title("gpu.title"), this.#facts), el("section", {}, title("system.versions"), this.#versions)),
        el(
          "section",
          {},
          el("div.heading", {}, title("system.log", "log-title"), el("label", { htmlFor: "log-level" }, el("span.visually-hidden", { i18n: "system.level" })), this.#level),
          this.#log,
        ),
      ),
    );
    dialog.addEventListener("close", () => this.#closed());
    addEventListener("hashchange", () => this.follow());
    onLanguage(() => this.#show());
  }

  /** Show it if the address says so. */
  follow() {
    if (location.hash !== ADDRESS) {
      if (this.dialog.open) this.dialog.close();
    } else if (!this.dialog.open) {
      this.dialog.showModal();
      this.#refresh();
      this.#timer = setInterval(() => document.hidden || this.#refresh(), ASK_MS);
    }
  }

  /** A download has got further, or has ended. */
  pulled(pull) {
    this.#pulls = [...this.#pulls.filter((each) => each.model !== pull.model || each.machine !== pull.machine), pull];
    if (this.dialog.open) this.#show();
  }

  // -- inside ---------------------------------------------------------------------------------------------

  #head() {
    const cells = ["system.folder", "system.free", "system.path"].map((key) => el("th", { scope: "col", i18n: key }));
    return el("thead", {}, el("tr", {}, cells));
  }

  async #refresh() {
    try {
      const [system, gpu, log] = await Promise.all([api.system(), api.gpuStatus(), api.log(LINES, this.#level.value || "info")]);
      Object.assign(this, { lines: log.lines });
      [this.#system, this.#gpu] = [system, gpu];
      if (gpu.places?.length) await this.#askMachines();
      setText(this.#problem, "");
      this.#show();
    } catch (error) {
      setText(this.#problem, sentence(error));
    }
  }

  async #askMachines() {
    const [cluster, { pulls }] = await Promise.all([api.cluster(), api.pulls()]);
    [this.#lacking, this.#pulls] = [cluster.lacking, pulls];
  }

  #show() {
    if (!this.#system) return;
    const { folders, libraries, ...system } = this.#system;
    this.#folders.replaceChildren(...folders.map(folderRow));
    const places = this.#gpu.places ?? [];
    this.#machines.hidden = !places.length;
    this.#cards.update(places, this.#lacking, this.#pulls);
    this.#facts.replaceChildren(...rows(gpuFacts(this.#gpu)));
    this.#versions.replaceChildren(
      ...rows([
        ["seedvr2d", system.version],
        ["Python", system.python],
        ...libraries.map(({ name, version }) => [name, version]),
        [translate("system.machine"), system.system],
        [translate("system.uptime"), duration(system.uptime_s)],
        [translate("system.config"), system.config_file ?? "–"],
      ]),
    );
    this.#showLevels();
    this.#showLog();
  }

  #showLevels() {
    const chosen = this.#level.value || "info";
    this.#level.replaceChildren(...LEVELS.map((value) => el("option", { value, textContent: translate(`level.${value}`) })));
    this.#level.value = chosen;
  }

  #showLog() {
    const log = this.#log;
    // Whoever has scrolled up reads something there.
    const follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    const empty = el("p.hint", { textContent: translate("system.log_empty") });
    log.replaceChildren(...(this.lines.length ? this.lines.map(logLine) : [empty]));
    if (follows) log.scrollTop = log.scrollHeight;
  }

  #closed() {
    clearInterval(this.#timer);
    if (location.hash === ADDRESS) history.replaceState(null, "", location.pathname);
  }
}

function folderRow({ name, path, free_bytes: free, total_bytes: total, problem }) {
  // Who has fetched no model has no folder for them.
  const tone = problem && !name.startsWith("models") ? "span.wrong" : "span";
  const room = problem ?? translate("system.of", { free: fileSize(free), total: fileSize(total) });
  const bar = problem === null && el("meter", { min: 0, max: total, value: total - free, high: total * 0.95, "aria-label": `${name}: ${room}` });
  return el(
    "tr",
    {},
    el("th", { scope: "row", textContent: name }),
    el("td", {}, el(tone, { textContent: room }), bar),
    el("td.path", { textContent: path }),
  );
}

function gpuFacts(gpu) {
  const main = translate("gpu.ram", { amount: memory(gpu.ram_used_mb) });
  if (!gpu.cuda_available) return [[translate("gpu.none"), [gpu.no_gpu_reason, main].filter(Boolean).join(" · ")]];
  return [
    [gpu.gpu_name, gpu.device],
    [translate("gpu.memory"), `${memory(gpu.vram_used_mb)} / ${memory(gpu.vram_total_mb)}`],
    ["CUDA", gpu.cuda_version],
    [translate("system.driver"), gpu.driver_version],
    ["PyTorch", gpu.torch_version],
    [translate("system.capability"), gpu.compute_capability],
    gpu.temperature_c !== null && ["°C", number(gpu.temperature_c)],
  ];
}

function rows(pairs) {
  const filled = pairs.filter((pair) => pair && pair[1]);
  return filled.map(([name, value]) => el("div", {}, el("dt", { textContent: name }), el("dd", { textContent: value })));
}

function logLine({ time, level, process, logger, message }) {
  const clock = new Date(time).toLocaleTimeString(undefined, { hour12: false });
  const source = [process !== "service" && process, logger.replace(/^(daemon|seedvr2)\./, "")].filter(Boolean).join(" ");
  return el(
    `p.log-line.${level}`,
    {},
    el("time", { dateTime: time, textContent: clock }),
    " ",
    // A word, not the colour alone.
    ["warning", "error", "critical"].includes(level) && el("strong", { textContent: `${level} ` }),
    el("span.log-source", { textContent: `${source} ` }),
    message,
  );
}
