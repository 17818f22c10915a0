// Frames that the service draws, one at a time, in the place of a video that this browser cannot play. It answers to
// what the players ask of a video, but for playing.

import * as api from "./api.js";
import { el } from "./dom.js";

export class Stills extends HTMLElement {
  #address = null;
  #image = null;
  #time = 0;
  #wanted = null;
  #busy = false;
  duration = 0;
  paused = true;
  playbackRate = 1;

  /** `of` is "source" or "result" of a task; `duration` in seconds. A promise; null if nothing can be drawn. */
  static async of(task, of, duration) {
    const stills = new Stills();
    Object.assign(stills, { duration });
    stills.#address = (time) => api.frameUrl(task.id, of, time);
    return (await stills.#show(0)) ? stills : null;
  }

  /** What is shown: an image. */
  get picture() {
    return this.#image;
  }

  get seeking() {
    return this.#busy;
  }

  get readyState() {
    return HTMLMediaElement.HAVE_ENOUGH_DATA;
  }

  get currentTime() {
    return this.#wanted ?? this.#time;
  }

  /** While one frame is under way, only the last one asked for is kept. */
  set currentTime(time) {
    this.#wanted = time;
    if (!this.#busy) this.#seek();
  }

  async play() {}

  pause() {}

  load() {}

  async #seek() {
    this.#busy = true;
    while (this.#wanted !== null && this.#address) {
      const time = this.#wanted;
      await this.#show(time);
      this.#time = time;
      if (this.#wanted === time) this.#wanted = null;
    }
    this.#busy = false;
    this.dispatchEvent(new Event("seeked"));
  }

  async #show(time) {
    const image = await picture(this.#address(time));
    if (!image) return false;
    this.#image = image;
    this.replaceChildren(image);
    return true;
  }
}

customElements.define("service-stills", Stills);

/** An image that is ready to be shown, or null. */
export function picture(url) {
  const node = el("img", { alt: "", draggable: false });
  return new Promise((resolve) => {
    node.addEventListener("load", () => resolve(node), { once: true });
    node.addEventListener("error", () => resolve(null), { once: true });
    node.src = url;
  });
}
