// The machines of the cluster: a card for each, with its GPUs, what they do, and why not.

import { el } from "./dom.js";
import { memory, modelName, number } from "./format.js";
import { translate } from "./i18n.js";

/** A card for each machine of `places`, as `GET /api/gpu/status` lists them. */
export function machineCards(places) {
  const machines = Map.groupBy(places, (place) => place.machine);
  return [...machines].map(([machine, own]) =>
    el("li.machine", {}, el("h3", { textContent: machine }), el("ul", {}, ...own.map(placeRow))),
  );
}

function placeRow(place) {
  const room = place.vram_mb && translate("system.of", { free: memory(place.free_mb), total: memory(place.vram_mb) });
  const unit = place.unit !== null && translate("machine.segment", { number: number(place.unit + 1) });
  const sent = !place.shared && translate("machine.sent");
  const facts = [room, place.model && modelName(place.model), unit, sent].filter(Boolean).join(" · ");
  return el(
    "li",
    {},
    el("span.place-name", { textContent: `${place.gpu_index} · ${place.kind || "…"}` }),
    el(`span.badge${place.why ? ".warn" : ""}`, { textContent: translate(`machine.${place.state}`) }),
    facts && el("span.hint", { textContent: facts }),
    place.why && el("span.wrong", { textContent: place.why }),
  );
}
