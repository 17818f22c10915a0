// Pieces that the queue, the history and the result share: the stamp, the badges, the actions.

import * as api from "./api.js";
import { el, icon, setText } from "./dom.js";
import { size } from "./format.js";
import { translate } from "./i18n.js";
import { confirm, failed, say } from "./messages.js";

const VIDEO = /\.(mp4|mkv|mov|webm|avi|m4v|mpg|mpeg|ts|wmv|flv)$/i;

/** Whether a task is of a video; the history does not say, but the name does. */
export function isVideo(task) {
  return task.media ? task.media.kind === "video" : VIDEO.test(task.output_filename ?? task.original_filename);
}

/** The small picture of a task; an icon where there is none. */
export function stamp(task) {
  const image = el("img", { alt: "", loading: "lazy", decoding: "async", draggable: false });
  const sign = icon(isVideo(task) ? "video" : "picture");
  const node = el("span.stamp", {}, sign, image, isVideo(task) && el("span.film", {}, icon("play")));
  image.onload = () => node.classList.add("seen");
  image.src = api.thumbnailUrl(task.id);
  return node;
}

/** "640 × 360 → 1080p" or "→ ×2" while it is under way, "640 × 360 → 1920 × 1080" afterwards, as far as it is known. */
export function sizes(task) {
  const from = task.media?.width ? size(task.media.width, task.media.height) : "";
  const { resolution, scale, long_edge: longEdge } = task.params;
  const asked = scale ? `×${scale}` : longEdge ? `${longEdge} px` : `${resolution}p`;
  const to = task.output_resolution ? size(task.output_resolution) : asked;
  return from ? `${from} → ${to}` : to;
}

/** Where a task came from, unless it was sent like most are. */
export function originBadge(task) {
  const badge = el("span.badge", { hidden: task.source === "api" });
  if (task.source !== "api") setText(badge, translate(`origin.${task.source}`));
  return badge;
}

/** What the user can do to tasks. `tasks` is told of what changed; errors are shown. */
export function actions(tasks) {
  const guarded = (act) => async (...given) => {
    try {
      await act(...given);
    } catch (error) {
      failed(error);
      // What the page showed was old.
      if (error.status === 404 || error.status === 409) tasks.refresh().catch(() => {});
    }
  };
  return {
    cancel: guarded(async (task) => {
      const { status } = await api.cancel(task.id);
      if (status === "cancelling") say(translate("task.cancelling"));
    }),
    retry: guarded(async (task) => {
      await api.retry(task.id);
      say(translate("task.retried", { name: task.original_filename }));
    }),
    prioritise: guarded(async (task, priority) => {
      await api.prioritise(task.id, priority);
      await tasks.refresh();
    }),
    hold: guarded(async (paused, now = false) => {
      await (paused ? api.pauseQueue(now) : api.resumeQueue());
      await tasks.refresh();
    }),
    remove: guarded(async (task, after = () => {}) => {
      const question = translate("task.delete_question", { name: task.original_filename });
      if (!(await confirm(question, translate("task.delete")))) return;
      await api.remove(task.id);
      tasks.drop(task.id);
      after();
    }),
    download: (task) => {
      const link = el("a", { href: api.resultUrl(task.id), download: task.output_filename });
      link.click();
    },
  };
}
