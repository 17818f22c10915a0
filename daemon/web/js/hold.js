// The buttons that pause the queue and let it go on.

import { el, setText } from "./dom.js";
import { onLanguage, translate } from "./i18n.js";

export class QueueHold {
  #toggle = el("button.small", { type: "button", id: "hold", on: { click: () => this.act.hold(!this.#paused) } });
  #now = el("button.small", { type: "button", id: "hold-now", on: { click: () => this.act.hold(true, true) } });

  constructor(parent, tasks, act) {
    Object.assign(this, { tasks, act });
    parent.append(this.#now, this.#toggle);
    tasks.onChange(() => this.render());
    onLanguage(() => this.render());
  }

  get #paused() {
    return this.tasks.queue?.held_by === "request";
  }

  render() {
    setText(this.#toggle, translate(this.#paused ? "queue.resume" : "queue.pause"));
    setText(this.#now, translate("queue.pause_now"));
    // What runs goes on to the end of a segment or picture, unless somebody does not want to wait for that.
    this.#now.hidden = !(this.#paused && this.tasks.running);
  }
}
