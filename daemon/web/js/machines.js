// The machines of the cluster: a card for each, with its GPUs, what they do, and why not, and the models that tasks wait for.

import { el, reconcile, setText } from "./dom.js";
import { memory, modelName, number } from "./format.js";
import { translate } from "./i18n.js";
import { offer, OPEN } from "./offers.js";

export class Machines {
  #views = new Map();
  node = el("ul.machines");

  /** `known(name)` answers what is known of a model; `onPull` is called when something was asked of the server. */
  constructor({ known, onPull }) {
    this.known = known;
    this.onPull = onPull;
  }

  /** `places` as `GET /api/gpu/status` lists them, `lacking` as `GET /api/cluster` does, and all downloads. */
  update(places, lacking, pulls) {
    const machines = [...Map.groupBy(places, (place) => place.machine)].map(([machine, own]) => ({
      machine,
      places: own,
      waited: lacking.length > 0,
      models: this.#models(machine, own[0].here, lacking, pulls),
    }));
    reconcile(this.node, machines, this.#views, ({ machine }) => machine, (item) => this.#card(item));
  }

  #models(machine, here, lacking, pulls) {
    const own = pulls.filter((pull) => (here ? !pull.machine : pull.machine === machine));
    const fetched = own.filter((pull) => OPEN.includes(pull.state)).map((pull) => pull.model);
    return [...new Set([...lacking, ...fetched])].map((name) => ({
      ...this.known(name),
      machine,
      downloadable: true,
      error: null,
      free: null,
      pull: own.find((pull) => pull.model === name),
    }));
  }

  #card({ machine }) {
    const [places, hint, offers, views] = [el("ul"), el("p.hint"), el("div.cards"), new Map()];
    const node = el("li.machine", {}, el("h3", { textContent: machine }), places, hint, offers);
    const update = (item) => {
      places.replaceChildren(...item.places.map(placeRow));
      setText(hint, translate("machine.lacking"));
      hint.hidden = !item.waited;
      offers.hidden = !item.models.length;
      reconcile(offers, item.models, views, (model) => model.name, (model) => offer(model, { onPull: this.onPull }));
    };
    return { node, update };
  }
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
