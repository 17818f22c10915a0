// Runs before the first paint, so that the chosen theme does not flash. No module: those run later.
const chosenTheme = localStorage.getItem("seedvr2.theme");
if (chosenTheme === "light" || chosenTheme === "dark") {
  document.documentElement.dataset.theme = chosenTheme;
}
