// Puts the page together. Each part knows its own corner; this file knows which there are.

import { Again } from "./again.js";
import * as api from "./api.js";
import { el, setText } from "./dom.js";
import { acceptFiles, pickOne } from "./drop.js";
import { listen } from "./events.js";
import { GpuBar } from "./gpu.js";
import { HistoryView } from "./history.js";
import { chooseLanguage, currentLanguage, LANGUAGES, onLanguage, startLanguage, translate } from "./i18n.js";
import { failed, notice, say } from "./messages.js";
import { startNotifications } from "./notify.js";
import { Models } from "./models.js";
import { actions } from "./parts.js";
import { QueueHold } from "./hold.js";
import { Plans } from "./plans.js";
import { Presets } from "./presets.js";
import { Preview } from "./preview.js";
import { QueueView } from "./queue.js";
import { Settings } from "./settings.js";
import { System } from "./system.js";
import { Tasks } from "./tasks.js";
import { startTheme } from "./theme.js";
import { askForToken } from "./token.js";
import { Uploads } from "./upload.js";
import { Viewer } from "./viewer.js";

const HEALTH_MS = 10000;
const byId = (id) => document.getElementById(id);
let connected = true;
let version = "";
let trouble = "";

async function start() {
  startTheme(byId("theme"));
  await startLanguage();
  startLanguageChoice(byId("language"));
  api.onTokenWanted(askForToken);

  const tasks = new Tasks();
  const models = new Models(() => gpu.refresh().catch(() => {}));
  const settings = new Settings(byId("settings"), models);
  const presets = new Presets(settings);
  const preview = new Preview(byId("preview"), settings, { askForToken, start: (file) => uploads.add([file], settings.changes) });
  const act = { ...actions(tasks), preview: (task) => preview.ofTask(task) };
  const gpu = new GpuBar(byId("gpu"), (current, loading) => models.loaded(current, loading));
  const again = new Again(byId("again"), settings);
  const viewer = new Viewer(byId("viewer"), settings, act, { again: (task) => again.prepare(task) });
  startNotifications(byId("notify"), tasks, (task) => viewer.open(task));
  new QueueView(byId("queue"), byId("queue-note"), tasks, act, models.firstOffer);
  new QueueHold(byId("queue-hold"), tasks, act);
  new HistoryView(byId("history"), byId("history-filter"), tasks, act, {
    open: (task) => viewer.open(task),
    again: (task) => again.prepare(task),
  });
  const system = new System(byId("system"), models);
  const uploads = new Uploads(byId("uploads"), {
    onSent: () => tasks.refresh().catch(() => {}),
    askForToken,
  });

  const plans = new Plans(byId("plans"), settings, { start: (...given) => uploads.add(...given) });

  async function refresh() {
    try {
      await api.openSession();
      await tasks.refresh();
      await Promise.all([gpu.refresh(), models.refresh(), presets.refresh(), checkHealth(tasks)]);
      setLine(true);
    } catch (error) {
      if (error.status === 0) setLine(false);
      else failed(error);
    }
  }

  await refresh();
  await api.openapi().then((document) => settings.build(document), failed);
  acceptFiles((files) => {
    if (!files.length) say(translate("drop.nothing"));
    else if (settings.check()) plans.add(files);
  });
  pickOne("pick-preview", "preview-file", (file) => preview.ofFile(file));
  listen({
    onTask: (task, kind) => tasks.take(task, kind),
    onModel: (pull) => {
      system.pulled(pull);
      models.pulled(pull).catch(() => {});
    },
    refresh,
    onLine: setLine,
  });
  setInterval(() => document.hidden || checkHealth(tasks).catch(() => {}), HEALTH_MS);
  onLanguage(showFoot);
  await viewer.follow();
  system.follow();
  document.body.dataset.ready = "true";
}

function startLanguageChoice(select) {
  select.append(...Object.entries(LANGUAGES).map(([value, name]) => el("option", { value, textContent: name, lang: value })));
  select.value = currentLanguage();
  select.addEventListener("change", () => chooseLanguage(select.value));
}

function setLine(now) {
  connected = now;
  notice("line", connected ? "" : translate("error.unreachable"));
}

async function checkHealth(tasks) {
  const state = await api.health();
  version = state.version ?? version;
  const problems = state.worker === "dead" ? [translate("error.dead")] : (state.problems ?? []);
  const text = problems.join(" ");
  // What is wrong may hold up the queue, of which no event tells.
  if (text !== trouble) tasks?.refresh().catch(() => {});
  trouble = text;
  notice("health", text, "bad");
  showFoot();
}

function showFoot() {
  setText(byId("foot"), translate("page.version", { version }));
}

start();
