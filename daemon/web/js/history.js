// The finished tasks as cards: results to look at, failures with their reason.

import { Chosen } from "./chosen.js";
import { el, iconButton, reconcile, setText } from "./dom.js";
import { duration, modelName, moment } from "./format.js";
import { onLanguage, translate } from "./i18n.js";
import { isVideo, originBadge, sizes, stamp } from "./parts.js";

const FILTERS = ["all", "completed", "failed", "cancelled"];

export class HistoryView {
  #list = el("ul.gallery");
  #views = new Map();
  #empty = el("p.empty");
  #more = el("button.wide", { type: "button", i18n: "history.more" });

  /** `open(task)` shows a result; `again(task)` prepares another run of its source. */
  constructor(parent, filter, tasks, act, { open, again }) {
    Object.assign(this, { tasks, act, open, again });
    this.#list.setAttribute("role", "list");
    this.chosen = new Chosen(tasks, () => this.render());
    parent.append(this.chosen.node, this.#list, this.#empty, this.#more);
    this.#more.addEventListener("click", () => tasks.showMore().catch(() => {}));
    this.buttons = FILTERS.map((name) =>
      el("button", { type: "button", i18n: `history.${name}`, data: { name }, on: { click: () => this.#filter(name) } }),
    );
    filter.append(...this.buttons);
    tasks.onChange(() => this.render());
    onLanguage(() => this.render());
  }

  render() {
    const tasks = this.tasks.ended;
    this.chosen.render();
    reconcile(this.#list, tasks, this.#views, (task) => `${task.id} ${task.status}`, (task) => this.#card(task));
    this.#empty.hidden = Boolean(!this.tasks.loaded || tasks.length);
    setText(this.#empty, translate(this.tasks.filter === "all" ? "history.empty" : "history.none"));
    this.#more.hidden = !this.tasks.mayHaveMore;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.name === this.tasks.filter));
    }
  }

  #filter(name) {
    this.tasks.setFilter(name).catch(() => {});
    this.render();
  }

  #card(task) {
    const [detail, when, reason] = [el("span.row-detail"), el("span.row-detail"), el("p.reason")];
    const completed = task.status === "completed";
    const title = completed
      ? el("button.row-name.plain", { type: "button", textContent: task.original_filename, on: { click: () => this.open(task) } })
      : el("span.row-name", { textContent: task.original_filename });
    const box = this.chosen.box(task);
    const image = el("div.card-image", {}, stamp(task));
    if (completed) image.addEventListener("click", () => this.open(task));
    const node = el(
      `li.result.${task.status}`,
      {},
      image,
      el("div.result-text", {}, el("div.row-head", {}, title, originBadge(task)), completed ? null : reason, detail, when),
      this.#buttons(task, completed, box.node),
    );
    const update = (now) => {
      box.update();
      node.classList.toggle("gone", now.available === false);
      const [to, model] = [now.media?.width || completed ? sizes(now) : "", now.model && modelName(now.model)];
      setText(detail, [to, model].filter(Boolean).join(" · "));
      detail.hidden = !detail.textContent;
      setText(reason, now.error ?? "");
      setText(when, whenText(now));
      title.title = now.output_filename ?? now.original_filename;
    };
    return { node, update };
  }

  #buttons(task, completed, box) {
    const named = (button) => {
      // The same button is on every card: its name says whose it is.
      button.setAttribute("aria-description", task.original_filename);
      return button;
    };
    const compare = completed && named(iconButton("compare", "task.compare", () => this.open(task)));
    const download = completed && named(iconButton("download", "task.download", () => this.act.download(task)));
    const retry = !completed && named(iconButton("again", "task.retry", () => this.act.retry(task)));
    const again = completed && named(iconButton("again", "task.again", () => this.again(task)));
    const remove = named(iconButton("trash", "task.delete", () => this.act.remove(this.tasks.get(task.id) ?? task)));
    return el("div.result-actions", {}, [box, compare, download, again, retry, remove].filter(Boolean));
  }
}

function whenText(task) {
  const took = task.status === "completed" && task.process_time ? translate("task.took", { time: duration(task.process_time) }) : "";
  const state = task.status === "completed" ? "" : translate(`history.${task.status}`);
  const kind = task.status === "completed" ? translate(isVideo(task) ? "task.video" : "task.picture") : "";
  return [state, kind, task.completed_at && moment(task.completed_at), took].filter(Boolean).join(" · ");
}
