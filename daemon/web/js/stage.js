// Two pictures on top of each other: a divider between them, zoom and pan down to the pixel.

import { el, setI18n, setLabel } from "./dom.js";
import { number } from "./format.js";
import { translate } from "./i18n.js";
import { smoothed } from "./smooth.js";

const MAX_ZOOM = 32;
const STEP = 1.25;
const WHEEL = 0.0015;
// From here on pixels are drawn as squares: what is seen then is the file, not the browser's smoothing.
const SQUARES = 2;
const NUDGE = 2;
const PAN_PX = 60;

export class Stage {
  #before = el("div.layer.before");
  #after = el("div.layer.after");
  #handle = el("div.divider", { tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuemax": 100 }, el("span.grip"));
  #labels = [el("span.tag.left"), el("span.tag.right")];
  #media = [];
  #original = null;
  #pixels = false;
  #size = { width: 1, height: 1 };
  #view = { scale: 1, x: 0, y: 0 };
  #fitted = true;
  #pointers = new Map();
  #split = 50;
  node = el("div.stage.single", {}, this.#after, this.#before, this.#labels, this.#handle);

  /** `onZoom(text)` hears the zoom, in percent of the result's own pixels; `labels`: keys of what the two are called. */
  constructor(onZoom, labels = ["view.before", "view.after"]) {
    this.onZoom = onZoom;
    labels.forEach((key, index) => setI18n(this.#labels[index], key));
    setLabel(this.#handle, "view.divider");
    this.#handle.removeAttribute("title");
    delete this.#handle.dataset.i18nTitle;
    this.#listen();
    new ResizeObserver(() => (this.#fitted ? this.fit() : this.#draw())).observe(this.node);
  }

  /** Show `after`, `width` × `height` pixels large, and `before` stretched to the same size, or null. */
  show(after, before, width, height) {
    this.#size = { width, height };
    // What has the size of the result already is a resize by itself.
    const smooth = before && before.naturalWidth !== width ? [smoothed(before, width, height)] : [];
    this.#original = before;
    this.#media = [after, before].filter(Boolean);
    for (const node of this.#media) node.classList.add("media");
    this.#media.push(...smooth);
    this.#after.replaceChildren(after);
    this.#before.replaceChildren(...(before ? [before] : []), ...smooth);
    for (const node of this.#media) {
      node.style.width = `${width}px`;
      node.style.height = `${height}px`;
    }
    this.node.classList.toggle("single", !before);
    this.split(before ? 50 : 0);
    this.fit();
  }

  /** Whether what is before is shown by its own pixels, as squares, in place of a smooth resize. */
  set pixels(wanted) {
    this.#pixels = wanted;
    this.node.classList.toggle("pixels", wanted);
    this.#draw();
  }

  clear() {
    this.#media = [];
    this.#original = null;
    this.#after.replaceChildren();
    this.#before.replaceChildren();
    this.node.classList.add("single");
  }

  /** Put the divider at `percent` of the width; what is before lies to its left. */
  split(percent) {
    this.#split = Math.min(Math.max(percent, 0), 100);
    this.#before.style.clipPath = `inset(0 ${100 - this.#split}% 0 0)`;
    this.#handle.style.left = `${this.#split}%`;
    this.#handle.setAttribute("aria-valuenow", String(Math.round(this.#split)));
    this.#handle.setAttribute("aria-valuetext", translate("view.divider_at", { percent: Math.round(this.#split) }));
    this.#labels[0].classList.toggle("faded", this.#split < 12);
    this.#labels[1].classList.toggle("faded", this.#split > 88);
  }

  /** The whole picture, as large as there is room. */
  fit() {
    const box = this.node.getBoundingClientRect();
    if (!box.width) return;
    const scale = Math.min(box.width / this.#size.width, box.height / this.#size.height);
    this.#fitted = true;
    this.#view = {
      scale,
      x: (box.width - this.#size.width * scale) / 2,
      y: (box.height - this.#size.height * scale) / 2,
    };
    this.#draw();
  }

  /** One pixel of the result on one pixel of the screen, times `factor`. */
  actual(factor = 1) {
    this.#zoomTo(factor / devicePixelRatio);
  }

  zoom(direction) {
    this.#zoomTo(this.#view.scale * STEP ** direction);
  }

  pan(dx, dy) {
    this.#view.x += dx;
    this.#view.y += dy;
    this.#fitted = false;
    this.#draw();
  }

  /** Keys of the stage; true if the key was one of them. */
  key(event) {
    const step = event.shiftKey ? PAN_PX * 4 : PAN_PX;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if ((event.target === this.#handle || this.#divides) && this.#dividerKey(event)) return true;
    if (event.key in moves) this.pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1);
    else if (event.key === "-") this.zoom(-1);
    else if (event.key === "0") this.fit();
    else if (event.key === "1") this.actual();
    else return false;
    return true;
  }

  // A picture that is seen whole need not be moved: there a drag anywhere moves the divider, and so do the keys.
  get #divides() {
    return this.#fitted && this.#media.length > 1;
  }

  #dividerKey({ key, shiftKey }) {
    const step = shiftKey ? NUDGE * 5 : NUDGE;
    const to = { ArrowLeft: this.#split - step, ArrowRight: this.#split + step, Home: 0, End: 100 }[key];
    if (to === undefined) return false;
    this.split(to);
    return true;
  }

  #zoomTo(scale, at) {
    const box = this.node.getBoundingClientRect();
    const point = at ?? { x: box.width / 2, y: box.height / 2 };
    const whole = Math.min(box.width / this.#size.width, box.height / this.#size.height);
    const bounded = Math.min(Math.max(scale, whole / 4), MAX_ZOOM / devicePixelRatio);
    const ratio = bounded / this.#view.scale;
    // The point under the pointer stays where it is.
    this.#view = {
      scale: bounded,
      x: point.x - (point.x - this.#view.x) * ratio,
      y: point.y - (point.y - this.#view.y) * ratio,
    };
    this.#fitted = false;
    this.#draw();
  }

  #draw() {
    this.#keepInSight();
    const { scale, x, y } = this.#view;
    const squares = scale * devicePixelRatio >= SQUARES;
    for (const node of this.#media) {
      node.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      node.classList.toggle("squares", squares && (node !== this.#original || this.#pixels));
    }
    this.onZoom(`${number(scale * devicePixelRatio * 100)} %`);
  }

  #keepInSight() {
    const box = this.node.getBoundingClientRect();
    const bound = (offset, length, room) => Math.min(Math.max(offset, Math.min(room / 2 - length, 0)), Math.max(room / 2, room - length));
    this.#view.x = bound(this.#view.x, this.#size.width * this.#view.scale, box.width);
    this.#view.y = bound(this.#view.y, this.#size.height * this.#view.scale, box.height);
  }

  // -- pointers -------------------------------------------------------------------------------------------

  #listen() {
    const node = this.node;
    node.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    node.addEventListener("pointerdown", (event) => this.#down(event));
    node.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      node.addEventListener(name, (event) => this.#pointers.delete(event.pointerId));
    }
    node.addEventListener("dblclick", (event) => (this.#fitted ? this.#zoomTo(SQUARES / devicePixelRatio, this.#at(event)) : this.fit()));
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    this.#zoomTo(this.#view.scale * Math.exp(-event.deltaY * lines * WHEEL), this.#at(event));
  }

  #down(event) {
    if (event.button !== 0) return;
    this.node.setPointerCapture(event.pointerId);
    const onHandle = this.#handle.contains(event.target);
    const divides = onHandle || this.#divides;
    this.#pointers.set(event.pointerId, { ...this.#at(event), divides });
    if (divides && this.#pointers.size === 1) this.#splitAt(event);
  }

  #move(event) {
    const old = this.#pointers.get(event.pointerId);
    if (!old) return;
    const now = this.#at(event);
    if (this.#pointers.size === 2) this.#pinch(event.pointerId, now);
    else if (old.divides) this.#splitAt(event);
    else this.pan(now.x - old.x, now.y - old.y);
    Object.assign(old, now);
  }

  #pinch(moving, now) {
    const other = [...this.#pointers].find(([id]) => id !== moving)[1];
    const old = this.#pointers.get(moving);
    const distance = (a, b) => Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1);
    this.#zoomTo((this.#view.scale * distance(now, other)) / distance(old, other), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  }

  #splitAt(event) {
    this.split((this.#at(event).x / this.node.clientWidth) * 100);
  }

  #at({ clientX, clientY }) {
    const box = this.node.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  }
}

/** Buttons that say how large the pictures of a stage are shown. */
export function zoomButtons(stage) {
  const zoomed = (text, label, act) => el("button", { type: "button", label, textContent: text, on: { click: act } });
  return el(
    "div.segments.small",
    {},
    zoomed("−", "view.zoom_out", () => stage.zoom(-1)),
    el("button", { type: "button", i18n: "view.fit", on: { click: () => stage.fit() } }),
    zoomed("1:1", "view.actual", () => stage.actual()),
    zoomed("4:1", "view.pixels", () => stage.actual(4)),
    zoomed("+", "view.zoom_in", () => stage.zoom(1)),
  );
}
