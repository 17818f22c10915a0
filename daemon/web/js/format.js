// Numbers, sizes and times as people read them, in the language of the page.

import { currentLanguage, localeOf, translate } from "./i18n.js";

export function number(value, digits = 0) {
  return value.toLocaleString(currentLanguage(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** 1536 MiB → "1.5 GiB". */
export function memory(mib) {
  return mib < 1024 ? `${number(mib)} MiB` : `${number(mib / 1024, 1)} GiB`;
}

/** Bytes of a file: "3.2 MB". */
export function fileSize(bytes) {
  if (bytes < 1000) return `${number(bytes)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  const value = bytes / 1000 ** power;
  return `${number(value, value < 10 ? 1 : 0)} ${units[power - 1]}`;
}

/** Seconds as "45 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds) {
  if (seconds > 0 && seconds < 10) return translate("time.s", { s: number(seconds, seconds < 9.95 ? 1 : 0) });
  const whole = Math.max(Math.round(seconds), 0);
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h) return translate("time.h_min", { h: number(h), min });
  if (min) return translate("time.min_s", { min, s });
  return translate("time.s", { s });
}

/** Seconds as "0:07" or "1:02:03", for a player; tenths too, if `fine`. */
export function clock(seconds, fine = false) {
  const tenths = Math.max(Math.floor((seconds || 0) * 10 + 1e-6), 0);
  const whole = Math.floor(tenths / 10);
  const two = (value) => String(value).padStart(2, "0");
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const end = fine ? `.${tenths % 10}` : "";
  return (h ? `${h}:${two(min)}:${two(s)}` : `${min}:${two(s)}`) + end;
}

/** A moment, short: the time if it was today, else the date too. */
export function moment(iso) {
  const when = new Date(iso);
  const today = when.toDateString() === new Date().toDateString();
  return when.toLocaleString(localeOf(currentLanguage()), today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/** "640x360" or (640, 360) → "640 × 360". */
export function size(width, height) {
  return height === undefined ? String(width).replace("x", " × ") : `${width} × ${height}`;
}

/** A model's file name without what all of them share. */
export function modelName(file) {
  return file.replace(/^seedvr2_ema_/, "").replace(/\.(safetensors|gguf)$/, "").replace(/_e4m3fn/, "");
}
