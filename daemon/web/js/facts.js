// What is known of a result: a list of facts.

import { parameterName, valueName } from "./controls.js";
import { el } from "./dom.js";
import { duration, modelName, moment, number, size } from "./format.js";
import { translate } from "./i18n.js";

/** `settings` knows which parameters are as the server has them; only the others are listed, and the seed. */
export function facts(task, settings) {
  const rows = [
    ["fact.result", task.output_filename],
    ["fact.size", `${size(task.media.width, task.media.height)} → ${size(task.output_resolution)}`],
    task.media.kind === "video" && ["fact.frames", number(task.frames_total)],
    ["fact.model", modelName(task.model)],
    ["fact.time", took(task)],
    ["fact.done", moment(task.completed_at)],
    ["fact.source", translate(`origin.${task.source}`)],
  ].filter(Boolean);
  const parameters = Object.entries(task.params)
    .filter(([name, value]) => name === "seed" || (!settings.isDefault(name, value) && name !== "dit_model"))
    .map(([name, value]) => row(parameterName(name), valueName(value)));
  const warnings = task.warnings.map((text) => el("p.notice.warn", { textContent: text }));
  return [...warnings, el("dl.facts", {}, rows.map(([key, text]) => row(translate(key), text)), parameters)];
}

function took(task) {
  const text = duration(task.process_time);
  const speed = task.frames_total / task.process_time;
  if (task.media.kind !== "video" || !Number.isFinite(speed)) return text;
  return `${text} · ${translate("task.speed", { fps: number(speed, speed < 10 ? 2 : 0) })}`;
}

function row(name, value) {
  return el("div", {}, el("dt", { textContent: name }), el("dd", { textContent: value }));
}
