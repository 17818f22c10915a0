// The buttons and the time line below a video.

import { el, iconButton, setIcon, setLabel, setText } from "./dom.js";
import { clock, number } from "./format.js";
import { translate } from "./i18n.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];

export class Transport {
  #players = null;
  #play = iconButton("play", "view.play", () => this.#players?.toggle());
  #sound = iconButton("sound", "view.mute", () => this.#toggleSound());
  #line = el("input.timeline", { type: "range", min: 0, step: "any", value: 0, label: "view.timeline" });
  #time = el("span.time");
  #frame = el("span.time.frame");
  #speed = el("select.small", { label: "view.speed" }, SPEEDS.map((rate) => el("option", { value: rate, textContent: `${rate}×` })));
  node = el(
    "div.transport",
    {},
    iconButton("back", "view.frame_back", () => this.#players?.step(-1)),
    this.#play,
    iconButton("forward", "view.frame_on", () => this.#players?.step(1)),
    this.#time,
    this.#line,
    this.#frame,
    this.#speed,
    this.#sound,
  );

  constructor() {
    this.#line.removeAttribute("title");
    delete this.#line.dataset.i18nTitle;
    this.#line.addEventListener("input", () => this.#players?.seek(Number(this.#line.value)));
    this.#speed.addEventListener("change", () => this.#players && (this.#players.speed = Number(this.#speed.value)));
  }

  /** Drive these players, or none. */
  attach(players) {
    this.#players = players;
    this.#speed.value = "1";
    this.node.hidden = !players;
    this.#play.disabled = this.#speed.disabled = this.#sound.disabled = !players?.canPlay;
  }

  /** Show the state that the players report. */
  show({ time, duration, frame, frames, playing }) {
    this.#line.max = duration;
    if (!this.#line.matches(":active")) this.#line.value = time;
    const fine = duration < 60;
    const text = `${clock(time, fine)} / ${clock(duration, fine)}`;
    setText(this.#time, text);
    setText(this.#frame, translate("view.frame", { frame: number(frame + 1), frames: number(frames) }));
    this.#line.setAttribute("aria-valuetext", text);
    setIcon(this.#play, playing ? "pause" : "play");
    const label = playing ? "view.pause" : "view.play";
    if (this.#play.dataset.i18nAriaLabel !== label) setLabel(this.#play, label);
  }

  /** Keys of a player; true if the key was one of them. */
  key(event) {
    if (!this.#players) return false;
    if (event.key === ",") this.#players.step(-1);
    else if (event.key === ".") this.#players.step(1);
    else if (event.key === " " && !event.target.matches("button, select, summary")) this.#players.canPlay && this.#players.toggle();
    else return false;
    return true;
  }

  #toggleSound() {
    const after = this.#players?.after;
    if (!after) return;
    after.muted = !after.muted;
    setIcon(this.#sound, after.muted ? "mute" : "sound");
    setLabel(this.#sound, after.muted ? "view.unmute" : "view.mute");
  }
}
