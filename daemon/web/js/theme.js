// Dark or light: as the system has it, or as chosen. `early.js` applies the choice before the first paint.

import { setIcon, setLabel } from "./dom.js";

const KEY = "seedvr2.theme";
const THEMES = ["auto", "light", "dark"];
const ICONS = { auto: "auto", light: "sun", dark: "moon" };

export function startTheme(button) {
  let theme = THEMES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
  function show() {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    setIcon(button, ICONS[theme]);
    setLabel(button, `theme.${theme}`);
  }
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem(KEY, theme);
    show();
  });
  show();
}
