// Sends files, a few at a time, and shows how far each is.

import { authorization } from "./api.js";
import { el, iconButton, reconcile, setText } from "./dom.js";
import { duration, fileSize, number } from "./format.js";
import { onLanguage, translate } from "./i18n.js";
import * as kept from "./kept.js";

const AT_ONCE = 2;
let counter = 0;

export class Uploads {
  #list = [];
  #views = new Map();
  #node = el("ul.uploads");

  /** `onSent(taskId)` hears of each file that the service took; `askForToken` answers a promise. */
  constructor(parent, { onSent, askForToken }) {
    this.onSent = onSent;
    this.askForToken = askForToken;
    parent.append(this.#node);
    onLanguage(() => this.#render());
    addEventListener("beforeunload", (event) => {
      if (this.#list.some((upload) => !upload.error)) event.preventDefault();
    });
  }

  /** Send files with these parameters, in their order; `note` says what is to come of them. */
  add(files, parameters, note = "") {
    for (const file of files) {
      this.#list.push({ id: ++counter, file, parameters, note, sent: 0, state: "waiting", error: "", request: null });
    }
    this.#next();
  }

  #next() {
    const busy = this.#list.filter((upload) => upload.state === "sending").length;
    const waiting = this.#list.filter((upload) => upload.state === "waiting");
    for (const upload of waiting.slice(0, Math.max(AT_ONCE - busy, 0))) this.#send(upload);
    this.#render();
  }

  #send(upload) {
    const id = kept.idOf(upload.file);
    const request = new XMLHttpRequest();
    Object.assign(upload, { request, state: "sending", sent: 0, error: "", began: performance.now() });
    request.open("POST", id ? `/api/uploads/${id}/submit` : "/api/process");
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      upload.sent = event.loaded / Math.max(event.total, 1);
      this.#render();
    };
    request.onload = () => this.#answered(upload, request);
    request.onerror = () => this.#failed(upload, translate("upload.cut"));
    request.send(id ? JSON.stringify(upload.parameters) : formOf(upload));
  }

  async #answered(upload, request) {
    const answer = parse(request.responseText);
    if (request.status === 200) {
      kept.forget(upload.file);
      this.#drop(upload);
      this.onSent(answer.task_id);
    } else if (request.status === 401) {
      upload.state = "waiting";
      await this.askForToken();
      this.#next();
    } else if (kept.isGone(upload.file, answer)) {
      upload.state = "waiting";
      this.#next();
    } else {
      this.#failed(upload, answer.error ?? translate("error.unknown", { status: request.status }));
    }
  }

  #failed(upload, error) {
    Object.assign(upload, { state: "failed", error });
    this.#next();
  }

  #drop(upload) {
    upload.request?.abort();
    this.#list = this.#list.filter((each) => each !== upload);
    this.#next();
  }

  #render() {
    reconcile(this.#node, this.#list, this.#views, (upload) => upload.id, (upload) => this.#row(upload));
  }

  #row(upload) {
    const [detail, bar] = [el("span.row-detail"), el("progress", { max: 1 })];
    const again = iconButton("again", "upload.again", () => {
      upload.state = "waiting";
      this.#next();
    });
    const stop = iconButton("cross", "upload.stop", () => this.#drop(upload));
    bar.setAttribute("aria-label", upload.file.name);
    const text = el("div.row-text", {}, el("span.row-name", { textContent: upload.file.name }), detail, bar);
    const node = el("li.row.upload", {}, text, el("div.row-actions", {}, again, stop));
    const update = () => {
      const failed = upload.state === "failed";
      node.classList.toggle("failed", failed);
      again.hidden = !failed;
      bar.hidden = failed;
      bar.value = upload.sent;
      setText(detail, failed ? upload.error : progressText(upload));
    };
    return { node, update };
  }
}

function formOf({ file, parameters }) {
  const form = new FormData();
  // The parameters first, so that the service could refuse them before the file has come.
  for (const [name, value] of Object.entries(parameters)) form.append(name, String(value));
  form.append("file", file, file.name);
  return form;
}

function progressText(upload) {
  return [stateText(upload), upload.note].filter(Boolean).join(" · ");
}

function stateText({ state, sent, file, began }) {
  if (state === "waiting") return translate("upload.waiting", { size: fileSize(file.size) });
  // All has been sent, and the service looks into it.
  if (sent >= 1) return translate("upload.checking");
  const seconds = (performance.now() - began) / 1000;
  const left = sent > 0.02 && seconds > 2 ? translate("upload.left", { time: duration((seconds / sent) * (1 - sent)) }) : "";
  return `${number(sent * 100)} % · ${fileSize(file.size)}${left && ` · ${left}`}`;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
