// What else is made: pictures are one of four kinds.
import { html, type TemplateResult } from "lit";
import { t } from "../../ui/strings.js";

const KINDS = ["picture", "text", "sound", "video"] as const;

export function kinds(): TemplateResult {
  return html`<ul class="kinds" aria-label=${t("sorter-maker.kinds")}>
    ${KINDS.map((kind) => {
      const key = `sorter-maker.kind-${kind}`;
      return html`<li><b>${t(key)}</b> <span>${t(`${key}-where`)}</span></li>`;
    })}
  </ul>`;
}
