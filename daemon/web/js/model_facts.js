// What a model is, in words.

import { modelName } from "./format.js";
import { currentLanguage, translate } from "./i18n.js";

/** A published model by what tells it from the others; a file of somebody's own by its name. */
export function titleOf(model) {
  if (model.own) return modelName(model.name);
  return [model.params, model.variant, model.precision].filter(Boolean).join(" · ") || modelName(model.name);
}

export function factsOf(model) {
  const needs = model.vram && translate("models.needs", { memory: model.vram.replace("GB", " GB") });
  const kind = model.own ? [model.params, model.precision] : [];
  return [...kind, model.size?.replace(/([KGM]B)/, " $1"), needs].filter(Boolean).join(" · ");
}

export function describe(model) {
  return model.desc?.[currentLanguage()] ?? model.desc?.en ?? "";
}
