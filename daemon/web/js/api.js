// Asks the service. Every answer is JSON; an error has a sentence for people in it.

import * as kept from "./kept.js";

const TOKEN = "seedvr2.token";
let askForToken = null;

/** What the service refused: `status`, and its own sentence as `message`. Status 0: it cannot be reached. */
export class ApiError extends Error {
  constructor(status, message, detail) {
    super(message);
    this.status = status;
    this.detail = detail;
  }
}

/** `ask` is called when the service demands a token, and answers a promise of one. */
export function onTokenWanted(ask) {
  askForToken = ask;
}

export function authorization() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Let this browser show pictures and hear events; see `daemon/api/session.py`. Answers whether that was needed. */
export async function openSession(token) {
  if (token !== undefined) sessionStorage.setItem(TOKEN, token);
  if (!sessionStorage.getItem(TOKEN)) return false;
  await request("POST", "/session", undefined, { patient: false });
  return true;
}

export function forgetToken() {
  sessionStorage.removeItem(TOKEN);
}

/** The JSON that the service answers. Throws ApiError. */
export async function request(method, path, body, { patient = true } = {}) {
  const headers = authorization();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "");
  }
  if (answer.status === 401 && patient && askForToken) {
    await askForToken();
    return request(method, path, body);
  }
  const value = await answer.json().catch(() => ({}));
  // A service that is not well says so with 503, and in the same form.
  if (!answer.ok && value.status === undefined) throw new ApiError(answer.status, value.error ?? "", value.detail);
  return value;
}

/** The plan of a file that is sent for it, and kept for its task; errors as of `request`. */
export async function planFile(file, parameters) {
  const form = new FormData();
  for (const [name, value] of Object.entries(parameters)) form.append(name, String(value));
  kept.append(form, file);
  const answer = await fetch("/api/plan", { method: "POST", headers: authorization(), body: form }).catch(() => null);
  if (!answer) throw new ApiError(0, "");
  if (answer.status === 401 && askForToken) {
    await askForToken();
    return planFile(file, parameters);
  }
  const value = await answer.json().catch(() => ({}));
  if (kept.isGone(file, value)) return planFile(file, parameters);
  if (!answer.ok) throw new ApiError(answer.status, value.error ?? "", value.detail);
  kept.note(file, value);
  return value;
}

const get = (path) => request("GET", path);
const post = (path, body) => request("POST", path, body);

export const health = () => get("/health");
export const openapi = () => get("/openapi.json");
export const gpuStatus = () => get("/api/gpu/status");
export const offload = () => post("/api/gpu/offload");
export const models = () => get("/api/models?all=1");
export const switchModel = (model) => post("/api/models/switch", { model, wait: true });
export const cluster = () => get("/api/cluster");
export const pulls = () => get("/api/models/pull");
/** Have a machine of the cluster fetch a model; this one where `machine` is null. */
export const pullModel = (model, machine) => post("/api/models/pull", { model, machine });
export const cancelPull = (model, machine) =>
  post(`/api/models/pull/${encodeURIComponent(model)}/cancel?machine=${encodeURIComponent(machine ?? "")}`);
export const removeModel = (model) => request("DELETE", `/api/models/${encodeURIComponent(model)}`);
export const queueStatus = () => get("/api/queue/status");
export const pauseQueue = (now) => post("/api/queue/pause", { now });
export const resumeQueue = () => post("/api/queue/resume");
export const history = (limit, status) => get(`/api/queue/history?limit=${limit}&status=${status}`);
export const plan = (about) => post("/api/plan", about);
export const task = (id) => get(`/api/status/${id}`);
export const system = () => get("/api/system");
export const log = (lines, level) => get(`/api/log?lines=${lines}&level=${level}`);
export const presets = () => get("/api/presets");
export const savePreset = (name, parameters) => request("PUT", `/api/presets/${encodeURIComponent(name)}`, parameters);
export const deletePreset = (name) => request("DELETE", `/api/presets/${encodeURIComponent(name)}`);
export const cancel = (id) => post(`/api/tasks/${id}/cancel`);
export const retry = (id) => post(`/api/tasks/${id}/retry`);
export const again = (id, parameters) => post(`/api/tasks/${id}/again`, parameters);
export const prioritise = (id, priority) => post(`/api/tasks/${id}/priority`, { priority });
export const remove = (id) => request("DELETE", `/api/tasks/${id}`);

export const resultUrl = (id) => `/api/download/${id}`;
export const frameUrl = (id, of, at) => `/api/frame/${id}?of=${of}&at=${at}`;
export const zipUrl = (ids) => `/api/tasks/download.zip?ids=${ids.join(",")}`;
export const sourceUrl = (id) => `/api/source/${id}`;
export const thumbnailUrl = (id) => `/api/thumbnail/${id}`;
