// The running task, and those that wait.

import { el, iconButton, reconcile, setText } from "./dom.js";
import { duration, modelName, moment, number } from "./format.js";
import { has, onLanguage, translate } from "./i18n.js";
import { isTold } from "./messages.js";
import { isVideo, originBadge, sizes, stamp } from "./parts.js";

const PRIORITIES = ["high", "normal", "low"];

export class QueueView {
  #running = el("div.running");
  #runningViews = new Map();
  #waiting = el("ol.waiting");
  #waitingViews = new Map();
  #empty = el("p.empty");
  #nothing = el("div.nothing");
  #more = el("p.hint");
  // Not at once a status: what is said there is read out each time.
  #paused = el("p.notice.warn", { role: "status" });

  /** `welcome` is shown where there is nothing to do. */
  constructor(parent, note, tasks, act, welcome) {
    Object.assign(this, { note, tasks, act });
    this.#waiting.setAttribute("role", "list");
    parent.append(this.#paused, this.#running, this.#waiting, this.#more, this.#nothing);
    this.#nothing.append(this.#empty, welcome);
    tasks.onChange(() => this.render());
    onLanguage(() => this.render());
  }

  render() {
    const { running, waiting } = this.tasks;
    const key = (task) => task.id;
    reconcile(this.#running, running ? [running] : [], this.#runningViews, key, (task) => this.#makeRunning(task));
    reconcile(this.#waiting, waiting, this.#waitingViews, key, (task) => this.#makeWaiting(task));
    const hidden = this.tasks.waitingCount - waiting.length;
    setText(this.#more, hidden > 0 ? translate("queue.more", { count: number(hidden) }) : "");
    this.#more.hidden = hidden <= 0;
    this.#nothing.hidden = Boolean(!this.tasks.loaded || running || waiting.length);
    setText(this.#empty, translate("queue.empty", { inbox: this.tasks.queue?.inbox_path ?? "" }));
    const reason = stuck(this.tasks.queue, running);
    setText(this.#paused, reason && !isTold(reason) ? translate("queue.waits", { reason }) : "");
    this.#paused.hidden = !this.#paused.textContent;
    setText(this.note, this.#summary());
    document.title = running ? `${running.progress} % · SeedVR2` : "SeedVR2";
  }

  #summary() {
    const { queue, running } = this.tasks;
    const above = isTold(stuck(queue, running)) ? translate("queue.told_above") : "";
    return [held(queue), above, this.#counts()].filter(Boolean).join(" · ");
  }

  #counts() {
    const wait = this.tasks.allDoneIn;
    const count = this.tasks.waitingCount;
    if (!count) return "";
    const text = translate("queue.waiting", { count: number(count) });
    return wait && !this.tasks.queue.paused ? `${text} · ${translate("queue.all_done", { time: duration(wait) })}` : text;
  }

  // What a video that has begun waits for.
  #goesFirst(task) {
    const { running } = this.tasks;
    return task.segments_total && running ? translate("task.waits_for", { name: running.original_filename }) : "";
  }

  // Why one waits, unless all do: that is said above, and of a video that let others go first, beside its size.
  #reasonOf(task) {
    const { queue, running } = this.tasks;
    return task.segments_total || queue?.held_by || stuck(queue, running) ? "" : (task.waiting_for ?? "");
  }

  #makeRunning(task) {
    const [stage, percent, facts] = [el("span.stage-name"), el("strong.percent"), el("span.row-detail")];
    const bar = el("progress", { max: 100 });
    bar.setAttribute("aria-label", task.original_filename);
    const model = el("span.row-detail");
    const node = el(
      "article.row.task.now",
      {},
      stamp(task),
      el(
        "div.row-text",
        {},
        el("div.row-head", {}, el("span.row-name", { textContent: task.original_filename }), originBadge(task), percent),
        model,
        bar,
        el("div.row-foot", {}, stage, facts),
      ),
      el(
        "div.row-actions",
        {},
        iconButton("eye", "preview.task", () => this.act.preview(task)),
        iconButton("cross", "task.cancel", () => this.act.cancel(task)),
      ),
    );
    const update = (now) => {
      bar.value = now.progress;
      setText(percent, `${now.progress} %`);
      setText(stage, stageName(now.stage));
      setText(model, [sizes(now), modelOf(now)].filter(Boolean).join(" · "));
      setText(facts, progressFacts(now));
    };
    return { node, update };
  }

  #makeWaiting(task) {
    const [place, detail, reason] = [el("span.place"), el("span.row-detail"), el("span.row-detail.warn")];
    const priority = el("select.small", {
      label: "param.priority",
      on: { change: () => this.act.prioritise(task, priority.value) },
    });
    const node = el(
      "li.row.task",
      {},
      place,
      stamp(task),
      el(
        "div.row-text",
        {},
        el("div.row-head", {}, el("span.row-name", { textContent: task.original_filename }), originBadge(task)),
        detail,
        reason,
      ),
      el("div.row-actions", {}, priority, iconButton("eye", "preview.task", () => this.act.preview(task)), iconButton("cross", "task.cancel", () => this.act.cancel(task))),
    );
    const update = (now) => {
      setText(place, number(now.queue_position || 1));
      const detailed = [sizes(now), frames(now), modelOf(now), segments(now), this.#goesFirst(now)];
      setText(detail, detailed.filter(Boolean).join(" · "));
      setText(reason, this.#reasonOf(now));
      reason.hidden = !reason.textContent;
      fill(priority, now.params.priority);
    };
    return { node, update };
  }
}

function fill(select, value) {
  const names = PRIORITIES.map((each) => translate(`value.${each}`));
  if ([...select.options].map((option) => option.text).join() !== names.join()) {
    select.replaceChildren(...PRIORITIES.map((each, index) => el("option", { value: each, textContent: names[index] })));
  }
  // Not while the user chooses.
  if (document.activeElement !== select) select.value = value;
}

export function stageName(stage) {
  if (!stage) return translate("stage.starting");
  return has(`stage.${stage}`) ? translate(`stage.${stage}`) : stage;
}

function frames(task) {
  return isVideo(task) && task.media ? translate("task.frames", { count: number(task.media.frames) }) : "";
}

/** The model that runs, or that was asked for. */
function modelOf(task) {
  const name = task.model ?? task.params.dit_model;
  return name && modelName(name);
}

function segments(task) {
  if (!task.segments_total) return "";
  return translate("task.segments", { done: number(task.segments_done), total: number(task.segments_total), percent: task.progress });
}

function held(queue) {
  const hours = queue?.hours ? translate("queue.runs_at", { hours: queue.hours }) : "";
  if (queue?.held_by === "request") return [translate("queue.paused"), hours].filter(Boolean).join(" · ");
  return queue?.held_by === "hours" ? [translate("queue.hours", { time: moment(queue.held_until) }), hours].join(" · ") : hours;
}

/** Why nothing is begun, where that is no choice of anybody's. */
function stuck(queue, running) {
  return queue?.paused && !queue.held_by && !running ? queue.paused : "";
}

function progressFacts(task) {
  const total = task.frames_total ?? task.media?.frames;
  const video = total > 1;
  return [
    video && translate("task.frames_of", { done: number(task.frames_done), total: number(total) }),
    video && task.speed ? translate("task.speed", { fps: number(task.speed, task.speed < 10 ? 2 : 0) }) : "",
    task.eta_s !== null && task.eta_s !== undefined && translate("task.left", { time: duration(task.eta_s) }),
  ]
    .filter(Boolean)
    .join(" · ");
}
