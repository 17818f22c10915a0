// Files and folders that are dropped or picked, as one flat list of files.

import { translate } from "./i18n.js";

const HIDDEN = /^\.|^(Thumbs\.db|desktop\.ini)$/i;

/** Call `onFiles(files)` with what is dropped anywhere on the page, pasted, or picked with the buttons. */
export function acceptFiles(onFiles) {
  const byId = (id) => document.getElementById(id);
  const veil = byId("drop-veil");
  let depth = 0;
  const show = (visible) => {
    veil.hidden = !visible;
    if (!visible) depth = 0;
  };

  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    show(true);
  });
  addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) show(false);
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(false);
    onFiles(await droppedFiles(event.dataTransfer));
  });

  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    // A text beside a picture of it, as word processors copy it, is meant where one writes.
    if (!files.length || document.querySelector("dialog[open]") || event.target.matches?.("input, select, textarea")) return;
    event.preventDefault();
    onFiles(files.map(named));
  });

  for (const [button, input] of [["pick-files", "files"], ["pick-folder", "folder"]]) {
    byId(button).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", () => {
      const files = [...byId(input).files];
      // So that the same file can be picked once more.
      byId(input).value = "";
      onFiles(input === "folder" ? files.filter((file) => isMedia(file)) : files);
    });
  }
}

/** Call `onFile(file)` with the one that is picked with a button. */
export function pickOne(button, input, onFile) {
  const picker = document.getElementById(input);
  document.getElementById(button).addEventListener("click", () => picker.click());
  picker.addEventListener("change", () => {
    const [file] = picker.files;
    // So that the same file can be picked once more.
    picker.value = "";
    if (file) onFile(file);
  });
}

// Browsers call every picture that is pasted the same.
function named(file) {
  if (!/^image\.\w+$/.test(file.name)) return file;
  const now = new Date();
  const when = new Date(now - now.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace("T", " ").replaceAll(":", ".");
  return new File([file], `${translate("drop.pasted")} ${when}${file.name.slice(5)}`, { type: file.type });
}

/** Every file of a drop, from folders too; in a folder only what looks like a picture or video. */
export async function droppedFiles(transfer) {
  // Asked for at once: after the first await the browser has emptied the list.
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry());
  const lists = await Promise.all(entries.filter(Boolean).map((entry) => filesOf(entry, false)));
  return lists.flat();
}

async function filesOf(entry, inFolder) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    return file && (!inFolder || isMedia(file)) ? [file] : [];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A folder is read in pieces; the last one is empty.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (!some.length) break;
    for (const each of some) found.push(...(await filesOf(each, true)));
  }
  return found;
}

function isMedia(file) {
  // Without a known type it may still be one, such as .mkv on some systems: the server decides.
  return !HIDDEN.test(file.name) && (file.type === "" || /^(image|video)\//.test(file.type)) && !/\.(txt|json|md)$/i.test(file.name);
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}
