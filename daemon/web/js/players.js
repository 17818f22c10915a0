// Two videos that play as one: the result leads, the source follows it to the frame.

import { Stills } from "./stills.js";

const FRAME_SHARE = 0.4;
const FAR_S = 0.25;
const CHASE = 0.08;

export class Players {
  #timer = 0;
  #wanted = null;

  /**
   * `frames` is how many the result has: with its length that gives the time of one.
   * `onTime(state)` hears {time, duration, frame, frames, playing} at each change.
   */
  constructor(after, before, frames, onTime) {
    Object.assign(this, { after, before, frames, onTime });
    after.loop = true;
    if (before) before.muted = true;
    for (const event of ["play", "pause", "seeked", "loadedmetadata", "timeupdate", "ended"]) {
      after.addEventListener(event, () => this.#tick());
    }
    after.addEventListener("seeked", () => this.#seekOn());
    after.addEventListener("play", () => this.#run());
  }

  get fps() {
    return this.after.duration > 0 ? this.frames / this.after.duration : 25;
  }

  /** Whether there is a result that can play, rather than frames of it. */
  get canPlay() {
    return !(this.after instanceof Stills);
  }

  get playing() {
    return !this.after.paused;
  }

  async toggle() {
    if (this.playing) this.pause();
    else await this.play();
  }

  async play() {
    if (this.before) this.before.currentTime = this.after.currentTime;
    // The browser may refuse to begin before it has data; the next press will do.
    await Promise.allSettled([this.after.play(), this.before?.play()]);
  }

  pause() {
    this.after.pause();
    this.before?.pause();
    this.#follow();
  }

  /** Go to `time` seconds. While the videos still look for one place, only the last one asked for is kept. */
  seek(time) {
    this.#wanted = Math.min(Math.max(time, 0), this.after.duration || 0);
    if (!this.after.seeking) this.#seekOn();
  }

  /** Stop, and show the frame `count` further on. */
  step(count) {
    this.pause();
    const frame = Math.min(Math.max(this.frame + count, 0), this.frames - 1);
    // The middle of a frame's time: rounding can then not show its neighbour.
    this.seek((frame + 0.5) / this.fps);
  }

  get frame() {
    const time = this.#wanted ?? this.after.currentTime;
    return Math.min(Math.floor(time * this.fps + 1e-3), this.frames - 1);
  }

  set speed(rate) {
    this.after.playbackRate = rate;
    if (this.before) this.before.playbackRate = rate;
  }

  stop() {
    cancelAnimationFrame(this.#timer);
    for (const video of [this.after, this.before]) {
      if (!video) continue;
      video.pause();
      // Ends the download of what will not be seen.
      video.removeAttribute("src");
      video.load();
    }
  }

  #seekOn() {
    if (this.#wanted === null) return;
    const time = this.#wanted;
    this.#wanted = null;
    if (Math.abs(this.after.currentTime - time) > 1e-4) this.after.currentTime = time;
    if (this.before) this.before.currentTime = time;
    this.#tick();
  }

  #run() {
    cancelAnimationFrame(this.#timer);
    this.#follow();
    this.#tick();
    if (this.playing) this.#timer = requestAnimationFrame(() => this.#run());
  }

  // A small lag is made up by playing faster, which nobody sees; a large one, or one at rest, by a jump.
  #follow() {
    const { after, before } = this;
    if (!before || before.seeking || before.readyState < 1) return;
    if (before instanceof Stills) {
      // A frame takes the service longer than it is seen; so the source waits until the result does.
      before.classList.toggle("behind", this.playing);
      if (this.playing) return;
    }
    const lag = after.currentTime - before.currentTime;
    if (!this.playing) {
      if (Math.abs(lag) > 1e-3) before.currentTime = after.currentTime;
    } else if (Math.abs(lag) > FAR_S) {
      before.currentTime = after.currentTime;
    } else {
      const late = Math.abs(lag) > FRAME_SHARE / this.fps;
      before.playbackRate = after.playbackRate * (late ? 1 + Math.sign(lag) * CHASE : 1);
      if (before.paused) before.play().catch(() => {});
    }
  }

  #tick() {
    const { currentTime, duration } = this.after;
    const state = { time: this.#wanted ?? currentTime, duration: duration || 0, frame: this.frame, frames: this.frames };
    this.onTime({ ...state, playing: this.playing });
  }
}
