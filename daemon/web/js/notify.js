// The browser's own notifications of tasks that have ended, while nobody looks at the page. Asked for on a click only.

import { setIcon, setLabel } from "./dom.js";
import { translate } from "./i18n.js";
import { say } from "./messages.js";

const KEY = "seedvr2.notify";
// Some that end together are one notification.
const TOGETHER_MS = 1500;

/** `button` turns them on and off; `open(task)` shows a result. */
export function startNotifications(button, tasks, open) {
  let on = localStorage.getItem(KEY) === "true";
  let ended = [];
  let timer = 0;

  function show() {
    const active = on && Notification.permission === "granted";
    setIcon(button, active ? "bell" : "bell-off");
    setLabel(button, active ? "notify.on" : "notify.off");
    button.setAttribute("aria-pressed", String(active));
  }

  async function toggle() {
    on = !(on && Notification.permission === "granted");
    if (on && (await Notification.requestPermission()) !== "granted") {
      on = false;
      say(translate("notify.refused"), "error");
    }
    localStorage.setItem(KEY, String(on));
    show();
  }

  function tell() {
    const told = ended;
    ended = [];
    const [first] = told;
    const title = told.length > 1 ? translate("notify.many", { count: told.length }) : translate(`notify.${first.status}`);
    const body = told.length > 1 ? told.map((task) => task.original_filename).join("\n") : [first.original_filename, first.error].filter(Boolean).join("\n");
    try {
      const notification = new Notification(title, { body, icon: "/static/icon-192.png", tag: first.id });
      notification.onclick = () => {
        focus();
        notification.close();
        if (told.length === 1 && first.status === "completed") open(first);
      };
    } catch {
      // Browsers of phones want a program in the background for that.
      on = false;
      say(translate("notify.not_here"), "error");
      show();
    }
  }

  // Not over plain http from another machine: browsers do not offer them there.
  if (!("Notification" in window) || !window.isSecureContext) return;
  button.hidden = false;
  button.addEventListener("click", toggle);
  tasks.onEnded((task) => {
    if (!on || !document.hidden || task.status === "cancelled") return;
    ended.push(task);
    clearTimeout(timer);
    timer = setTimeout(tell, TOGETHER_MS);
  });
  show();
}
