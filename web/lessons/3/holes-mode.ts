// Lists that are thrown blindly: how many of them land where nothing is drawn that looks like any training picture? The
// VAE and its plain twin side by side.
import { html, type TemplateResult } from "lit";
import type { ModelName } from "../../runtime/client.js";
import { picture, type Pixels } from "../../ui/canvas.js";
import type { Code } from "../../ui/code.js";
import { type Alternative, button } from "../../ui/figure-parts.js";
import { fixed, number, t } from "../../ui/strings.js";
import { shrink, WIDTH } from "../../ui/likeness.js";
import { paced } from "../../ui/pace.js";
import type { Training } from "../../ui/training.js";
import type { Place } from "./atlas.js";
import { mirrored, within } from "./holes.js";
import { both, type Host, type Mode, type Pin, shown } from "./mode.js";
import { decode, encode, thrown } from "./vae.js";

export const THROWN = 100;
const SHOWN = 40; // on a wall
const KINDS = ["", "plain_"] as const;

interface Throw {
  pixels: Pixels;
  /** Unknown until all training pictures have been looked through. */
  hole?: boolean;
  place: Place;
}

export class HolesMode implements Mode {
  readonly slow = true;
  private walls: readonly (readonly Throw[])[] = [];
  private of = -1;
  /** The rows of the training pictures that the VAE has learned from. */
  private table: Uint8ClampedArray | undefined;

  constructor(private readonly host: Host) {}

  models(): ModelName[] {
    return both(...KINDS, ...KINDS.map((kind) => `${kind}map_` as const));
  }

  async answer(signal?: AbortSignal): Promise<void> {
    const { host } = this;
    const { seed } = host.state;
    if (seed === this.of) return;
    const { atlas } = host;
    const training = await host.openTraining(signal!);
    this.table ??= learned(training, atlas.rows);
    const walls: Throw[][] = [];
    for (const kind of KINDS) {
      const redraws = await decode(kind, thrown(host.bell(kind), seed, THROWN), { signal });
      const codes = await encode(`${kind}map_`, redraws, { signal });
      walls.push(
        redraws.map((planes, i) => {
          const [x, y] = codes[i]!.mean;
          return { pixels: shown(planes), place: [x!, y!] };
        }),
      );
    }
    this.walls = walls;
    const pause = paced();
    for (const [i, one] of walls.flat().entries()) {
      one.hole = !this.known(one.pixels);
      host.work.report(t("describe-redraw.counting"), i + 1, KINDS.length * THROWN);
      await pause();
      signal?.throwIfAborted();
    }
    this.of = seed;
  }

  /** Whether some training picture, mirrored or not, looks like this. */
  private known({ data, width }: Pixels): boolean {
    const row = shrink(data, width);
    const { hole } = this.host.atlas.contents;
    return [row, mirrored(row)].some((one) => within(one, this.table!, hole));
  }

  private holes(wall: readonly Throw[]): number {
    return wall.filter(({ hole }) => hole).length;
  }

  pins(): Pin[] {
    const wall = this.walls[Number(this.host.state.plain)] ?? []; // each on the map of its own kind
    return wall.map(({ place, hole }) => ({ place, label: "", kind: hole ? "hole" : "fine" }));
  }

  draw(): TemplateResult {
    const { host, walls } = this;
    const next = () => host.set({ seed: Math.floor(1e6 * Math.random()) });
    return html`<div class="controls">${button(t("describe-redraw.throw", { count: THROWN }), next, "primary")}
      </div>
      <div class="walls">
        ${walls.map((wall, which) => {
          const holes = this.holes(wall);
          const checked = wall.filter(({ hole }) => hole !== undefined).length;
          const kind = t(`describe-redraw.${which ? "plain" : "vae"}`);
          return html`<section>
            <h3>${kind}: <b>${t("describe-redraw.holes", { holes, count: checked })}</b></h3>
            <p class="count" aria-hidden="true"><i .style=${`width: ${(100 * holes) / THROWN}%`}></i></p>
            <ul class="wall" aria-label=${t("describe-redraw.wall", { kind, shown: SHOWN })}>
              ${wall.slice(0, SHOWN).map(
                ({ pixels, hole }, i) => html`<li class=${hole ? "hole" : ""}>
                  ${picture(pixels, t(`describe-redraw.${hole ? "in-hole" : "no-hole"}`, { number: i + 1 }), "picture soft")}
                </li>`,
              )}
            </ul>
          </section>`;
        })}
      </div>
      <p class="hint">${this.rule()}</p>`;
  }

  private rule(): string {
    const { hole, n } = this.host.atlas.contents;
    return t("describe-redraw.hole-rule", { hole: fixed(hole, 2), n });
  }

  alternative(): Alternative {
    if (this.of !== this.host.state.seed)
      return { sentence: t("describe-redraw.waiting"), table: { head: [], rows: [] } };
    const [vae, plain] = this.walls.map((wall) => this.holes(wall));
    const rows = [
      [t("describe-redraw.vae"), number(vae!), number(THROWN)],
      [t("describe-redraw.plain"), number(plain!), number(THROWN)],
    ];
    const sentence = t("describe-redraw.holes-said", { vae: vae!, plain: plain!, count: THROWN });
    const head = ["kind", "holes-head", "thrown-head"].map((key) => t(`describe-redraw.${key}`));
    return { sentence: `${sentence} ${this.rule()}`, table: { head, rows } };
  }

  code(): Code {
    const kind = KINDS[Number(this.host.state.plain)]!;
    return {
      python: `import numpy as np
from PIL import Image
from bozzetto.diffusion.noise import words
from bozzetto.runtime import sample, store, vae

model = vae.load(store.weights_folder(), "${kind}")
evenly = (words(${this.host.state.seed}, ${THROWN} * 8).reshape(${THROWN}, 32) + 1.0) / 2**32
lists = model.latent_mean + model.latent_std * (4 * evenly - 2)
pictures = sample.to_bytes(vae.decode(model, lists.astype(np.float32)))
Image.fromarray(np.concatenate(pictures[:${SHOWN}], 1)).save("thrown.png")`,
    };
  }
}

function learned({ table }: Training, rows: Int16Array): Uint8ClampedArray {
  const own = new Uint8ClampedArray(rows.length * WIDTH);
  rows.forEach((row, i) => own.set(table.subarray(row * WIDTH, (row + 1) * WIDTH), i * WIDTH));
  return own;
}
