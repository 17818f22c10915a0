// Models that are not on a machine: cards with a button that fetches them there, and how far that is.

import * as api from "./api.js";
import { el, setText } from "./dom.js";
import { fileSize } from "./format.js";
import { translate } from "./i18n.js";
import { failed } from "./messages.js";
import { describe, factsOf, titleOf } from "./model_facts.js";

export const OPEN = ["waiting", "fetching", "verifying"];
// As the server counts: what a disk has to have besides the file.
const SPARE_BYTES = 64 * 2 ** 20;
const UNITS = { KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

/**
 * A card; `update` takes a model with `pull`, its download if there is one, and `free`, bytes of the server's disk.
 * It is for a `machine` of the cluster, or for the server where none is named.
 */
export function offer({ name, machine = null }, { onPull }) {
  const about = machine ? `${name} (${machine})` : name;
  const [title, facts, command, why] = [el("span.card-title"), el("span.card-facts"), el("code"), el("span.hint.bad")];
  const bar = el("progress", { max: 100 });
  const step = el("span.card-facts");
  const progress = el("span.card-progress", {}, bar, step);
  const button = el("button.small", { type: "button" });
  const node = el("div.card.faint", {}, el("span.card-text", {}, title, facts, command, progress, why), button);
  let [fetching, busy] = [false, false];

  button.addEventListener("click", async () => {
    // Not disabled meanwhile, or it would lose the focus of whoever uses the keyboard.
    if (busy) return;
    busy = true;
    try {
      if (fetching) await api.cancelPull(name, machine);
      else await api.pullModel(name, machine);
    } catch (error) {
      failed(error);
    }
    await onPull().catch(failed);
    busy = false;
  });

  const update = (model) => {
    const pull = model.pull;
    fetching = Boolean(pull && OPEN.includes(pull.state));
    setText(title, titleOf(model));
    setText(facts, factsOf(model));
    setText(command, model.name);
    const lacking = fetching ? "" : tooLarge(model);
    // A file that cannot be read as a model: why, where it would otherwise look like one to be fetched.
    setText(why, model.error ?? pull?.error ?? lacking);
    why.hidden = !why.textContent;
    progress.hidden = !fetching;
    showProgress(bar, step, pull);
    button.hidden = !model.downloadable || Boolean(model.error);
    button.disabled = Boolean(lacking);
    setText(button, translate(fetching ? "models.cancel" : "models.download"));
    button.setAttribute("aria-label", `${button.textContent}: ${about}`);
    bar.setAttribute("aria-label", `${translate("models.download")}: ${about}`);
    node.title = describe(model);
  };
  return { node, update };
}

function showProgress(bar, step, pull) {
  if (!pull) return;
  const known = pull.file && pull.total_bytes;
  // Without a value it says only that something is going on.
  if (known) bar.value = pull.percent;
  else bar.removeAttribute("value");
  const total = known ? fileSize(pull.total_bytes) : "";
  setText(step, [translate(`models.${pull.state}`), known && `${pull.percent} %`, total].filter(Boolean).join(" · "));
}

/** Why the server's disk cannot take it, or nothing. */
function tooLarge(model) {
  const bytes = model.bytes ?? bytesOf(model.size);
  if (model.free === null || model.free === undefined || bytes + SPARE_BYTES <= model.free) return "";
  return translate("models.no_room", { needed: fileSize(bytes), free: fileSize(model.free) });
}

function bytesOf(size) {
  const [, amount, unit] = /^([\d.]+)([KMG]B)$/.exec(size ?? "") ?? [];
  return amount ? Number(amount) * UNITS[unit] : 0;
}
