// The bar at the top: the GPU, its memory, and the model in it with the time until it leaves.

import * as api from "./api.js";
import { el, setText } from "./dom.js";
import { duration, memory, modelName, number } from "./format.js";
import { onLanguage, translate } from "./i18n.js";
import { failed, say } from "./messages.js";

const ASK_MS = 4000;
const TICK_MS = 1000;

export class GpuBar {
  #status = null;
  #asked = 0;
  #name = el("strong.gpu-name");
  #meter = el("meter", { min: 0, label: "gpu.memory" });
  #used = el("span.gpu-used");
  #sensors = el("span.gpu-sensors");
  #model = el("span.gpu-model");
  #idle = el("span.gpu-idle");
  #unload = el("button.small", { type: "button", i18n: "gpu.unload", on: { click: () => this.#offload() } });

  /** `onModel(current, loading)` hears which model is in memory. */
  constructor(node, onModel) {
    this.onModel = onModel;
    node.append(
      el("div.gpu-device", {}, this.#name, this.#meter, this.#used, this.#sensors),
      el("div.gpu-state", {}, this.#model, this.#idle, this.#unload),
    );
    onLanguage(() => this.#show());
    setInterval(() => this.#tick(), TICK_MS);
  }

  async refresh() {
    this.#status = await api.gpuStatus();
    this.#asked = Date.now();
    this.onModel(this.#status.current_model, this.#status.loading_model);
    this.#show();
  }

  #tick() {
    if (document.hidden) return;
    // The line above the queue says when the service cannot be reached; once is enough.
    if (Date.now() - this.#asked >= ASK_MS) {
      this.#asked = Date.now();
      this.refresh().catch(() => {});
    }
    this.#showIdle();
  }

  #show() {
    const status = this.#status;
    if (!status) return;
    const { cuda_available: cuda, vram_used_mb: used, vram_total_mb: total } = status;
    setText(this.#name, cuda ? status.gpu_name : translate("gpu.none"));
    this.#meter.hidden = !cuda;
    if (cuda) Object.assign(this.#meter, { max: total, high: total * 0.9, value: used });
    const amount = cuda ? `${memory(used)} / ${memory(total)}` : translate("gpu.ram", { amount: memory(status.ram_used_mb) });
    setText(this.#used, amount);
    setText(this.#sensors, sensors(status));
    setText(this.#model, this.#modelText());
    this.#model.title = status.current_model ?? "";
    this.#unload.hidden = !status.model_loaded;
    this.#showIdle();
  }

  #modelText() {
    const { loading_model: loading, current_model: current, processing } = this.#status;
    if (loading) return translate("gpu.loading", { model: modelName(loading) });
    if (!current) return translate(processing ? "gpu.starting" : "gpu.empty");
    return modelName(current);
  }

  #showIdle() {
    const status = this.#status;
    if (!status) return;
    const idle = status.model_idle_s;
    let text = "";
    if (status.processing) text = translate("gpu.busy");
    else if (idle !== null && status.idle_timeout_s) {
      const left = Math.max(status.idle_timeout_s - idle - (Date.now() - this.#asked) / 1000, 0);
      text = translate("gpu.leaves", { time: duration(Math.ceil(left)) });
    }
    setText(this.#idle, text);
  }

  async #offload() {
    try {
      const { deferred } = await api.offload();
      say(translate(deferred ? "gpu.unload_later" : "gpu.unloaded"));
      await this.refresh();
    } catch (error) {
      failed(error);
    }
  }
}

function sensors({ utilization, temperature_c: temperature, power_w: power }) {
  const parts = [
    utilization !== null && translate("gpu.load", { percent: number(utilization) }),
    temperature !== null && `${number(temperature)} °C`,
    power !== null && `${number(power)} W`,
  ];
  return parts.filter(Boolean).join(" · ");
}
