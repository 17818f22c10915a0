// Files that the service has already, from their plan or preview: they are named instead of being sent once more.

const ids = new WeakMap();

export const idOf = (file) => ids.get(file);
export const forget = (file) => ids.delete(file);

/** Note what the service says of a file that it planned or previewed. */
export function note(file, { upload_id: id }) {
  if (id) ids.set(file, id);
  else ids.delete(file);
}

/** Put the file into a form, or the word for it; to be kept in any case. */
export function append(form, file) {
  const id = ids.get(file);
  if (id) return form.append("upload_id", id);
  form.append("keep", "true");
  form.append("file", file, file.name);
}

/** Whether an error says that the service has it no more, so that it has to be sent after all. */
export function isGone(file, error) {
  return error.detail?.field === "upload_id" && ids.delete(file);
}
