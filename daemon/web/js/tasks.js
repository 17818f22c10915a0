// What this page knows of the tasks: one map, brought up to date by events and by asking.

import * as api from "./api.js";
import { speedOf } from "./speed.js";

const SHOWN_WAITING = 100;
const PAGE = 24;
const SOON_MS = 250;
const ENDED = ["completed", "failed", "cancelled"];
// Deleting is no event of the service; the other tabs of this browser hear of it here.
const tabs = new BroadcastChannel("seedvr2");

export const hasEnded = (task) => ENDED.includes(task.status);
const rank = (task) => (hasEnded(task) ? 2 : Number(task.status === "processing"));

export class Tasks {
  #known = new Map();
  #order = [];
  #history = [];
  // The ids of all state events so far: what was heard while an answer was under way is newer than the answer.
  #heard = [];
  #listeners = [];
  #endListeners = [];
  // When the last one ended, by the clock of the service: what ended before is no news.
  #newest = "";
  #timer = 0;
  #limit = PAGE;
  filter = "all";
  queue = null;
  complete = false;
  loaded = false;

  constructor() {
    tabs.onmessage = (message) => this.forget(message.data);
  }

  onChange(listener) {
    this.#listeners.push(listener);
  }

  /** Call `listener(task)` for each that ends while this page is there. */
  onEnded(listener) {
    this.#endListeners.push(listener);
  }

  get(id) {
    return this.#known.get(id);
  }

  /** The running task, or undefined. */
  get running() {
    return [...this.#known.values()].find((task) => task.status === "processing");
  }

  /** The waiting tasks, in order. */
  get waiting() {
    const tasks = this.#order.map((id) => this.#known.get(id));
    return tasks.filter((task) => task?.status === "queued").slice(0, SHOWN_WAITING);
  }

  /** How many wait, shown or not. */
  get waitingCount() {
    return Math.max(this.queue?.queue_length ?? 0, this.waiting.length);
  }

  /** Seconds until all is done: what the service counts for those that wait, and what the running one says of itself. */
  get allDoneIn() {
    const { estimated_total_wait: total, processing } = this.queue ?? {};
    if (!total) return 0;
    const asked = processing?.eta_s ?? 0;
    return Math.max(total - asked, 0) + (this.running?.eta_s ?? asked);
  }

  /** The ended tasks that the filter lets through, newest first. */
  get ended() {
    return this.#history.map((id) => this.#known.get(id)).filter((task) => task && this.#passes(task));
  }

  get mayHaveMore() {
    return !this.complete;
  }

  async showMore() {
    this.#limit += PAGE;
    await this.#askHistory();
    this.#changed();
  }

  async setFilter(filter) {
    this.filter = filter;
    this.#limit = PAGE;
    await this.#askHistory();
    this.#changed();
  }

  /** Ask for everything. */
  async refresh() {
    await Promise.all([this.#askQueue(), this.#askHistory()]);
    this.loaded = true;
    this.#changed();
  }

  /** An event of the service. */
  take(event, kind) {
    // Only what runs has progress; the record that comes with it may be from before it began.
    const task = kind === "progress" ? { ...event, status: "processing" } : event;
    const before = this.#known.get(task.id);
    // A late event must not bring a task back from its end, nor from its run. One that really waits again, because the
    // service was interrupted, is found by asking.
    if (before && rank(before) > rank(task)) return this.#soon();
    this.#keep(task);
    if (kind === "state") {
      this.#heard.push(task.id);
      if (task.status === "queued" && !this.#order.includes(task.id)) this.#order.push(task.id);
      if (hasEnded(task) && !this.#history.includes(task.id)) this.#history.unshift(task.id);
      this.#soon();
    }
    return this.#changed();
  }

  /** Drop a task, here and in the other tabs. */
  drop(id) {
    this.forget(id);
    tabs.postMessage(id);
  }

  forget(id) {
    this.#known.delete(id);
    this.#changed();
  }

  // -- inside ---------------------------------------------------------------------------------------------

  #keep(task) {
    const old = this.#known.get(task.id);
    // The view of the history lacks what the view of a task has, and the other way round.
    this.#known.set(task.id, { ...old, ...task, speed: speedOf(task) });
    if (hasEnded(task) && !(old && hasEnded(old))) this.#end(this.#known.get(task.id));
  }

  #end(task) {
    // An older one comes when more of the history is asked for.
    if (this.loaded && task.completed_at > this.#newest) for (const listener of this.#endListeners) listener(task);
    // While the first answer is read, all of it is old.
    if (this.loaded) return;
    if (task.completed_at > this.#newest) this.#newest = task.completed_at;
  }

  // The tasks heard of since there were `mark` events, the last one first.
  #since(mark) {
    return [...new Set(this.#heard.slice(mark).reverse())].map((id) => this.#known.get(id)).filter(Boolean);
  }

  #passes(task) {
    return hasEnded(task) && (this.filter === "all" || task.status === this.filter);
  }

  // Positions of all the others change with a task's state, and no event says so.
  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      await this.#askQueue().catch(() => {});
      this.#changed();
    }, SOON_MS);
  }

  async #askQueue() {
    const mark = this.#heard.length;
    const queue = await api.queueStatus();
    const newer = this.#since(mark);
    const settled = (id) => newer.every((task) => task.id !== id);
    const states = new Map(queue.pending_tasks.map(({ id }) => [id, "queued"]));
    const waiting = [...states.keys()].slice(0, SHOWN_WAITING);
    if (queue.processing_task_id) states.set(queue.processing_task_id, "processing");
    // Whatever this page believes to be open but the service does not list has ended meanwhile.
    const stale = [...this.#known.values()].filter((task) => !hasEnded(task) && !states.has(task.id) && settled(task.id));
    const shown = [...waiting, queue.processing_task_id].filter(Boolean);
    const wrong = shown.filter((id) => this.#known.get(id)?.status !== states.get(id) && settled(id));
    await this.#fetch([...wrong, ...stale.map((task) => task.id)]);
    for (const { id, position, params, waiting_for } of queue.pending_tasks) {
      const task = this.#known.get(id);
      if (task) Object.assign(task, { queue_position: position, params, waiting_for });
    }
    const late = this.#since(mark).filter((task) => task.status === "queued" && !states.has(task.id));
    this.#order = [...waiting, ...late.reverse().map((task) => task.id)];
    this.queue = queue;
  }

  async #fetch(ids) {
    for (const id of ids) {
      const mark = this.#heard.length;
      try {
        const task = await api.task(id);
        if (!this.#since(mark).some((each) => each.id === id)) this.#keep(task);
      } catch (error) {
        if (error.status !== 404) throw error;
        this.#known.delete(id);
      }
    }
  }

  async #askHistory() {
    const { filter } = this;
    const mark = this.#heard.length;
    const { history } = await api.history(this.#limit, filter);
    if (filter !== this.filter) return;
    for (const entry of history) this.#keep(entry);
    // What ended while the answer was under way may not be in it.
    const late = this.#since(mark).filter(hasEnded);
    this.#history = [...new Set([...late, ...history].map((entry) => entry.id))];
    this.complete = history.length < this.#limit;
  }

  #changed() {
    for (const listener of this.#listeners) listener();
  }
}
