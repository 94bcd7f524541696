// The lines of Python and shell that do a job.
import { type Code, python, shellWord } from "../../ui/code.js";
import { CAPTION, DRAWN, scenes, type State } from "./jobs.js";

export function codeOf(state: State): Code {
  const { seed, num_inference_steps: steps, guidance_scale: guidance } = state;
  const how = `num_inference_steps=${steps}, guidance_scale=${guidance}`;
  const flags = `--steps ${steps} --guidance ${guidance}`;
  switch (state.job) {
    case "vary": {
      const words = state.vary.trim();
      return {
        python: `import bozzetto

pictures = bozzetto.edit(
    "picture.png", ${python(words)}, strength=${state.strength}, seed=${seed}, n=${DRAWN.vary}, ${how}
)`,
        shell: `bozzetto edit picture.png ${shellWord(words)} --strength ${state.strength} --seed ${seed} --n ${DRAWN.vary} ${flags}`,
      };
    }
    case "repaint": {
      const words = state.repaint.trim();
      return {
        python: `import bozzetto

[picture] = bozzetto.edit(
    "picture.png", ${python(words)}, mask="mask.png", seed=${seed}, ${how}
)`,
        shell: `bozzetto edit picture.png ${shellWord(words)} --mask mask.png --seed ${seed} ${flags}`,
      };
    }
    case "make":
      return {
        python: `import bozzetto

prompt = ${python(state.make.trim())}
pictures = bozzetto.generate(prompt, seed=${seed}, n=${DRAWN.make}, ${how})
words = bozzetto.encode_text(prompt)
best = max(pictures, key=lambda picture: float(bozzetto.encode_image(picture) @ words))`,
      };
    case "story":
      return {
        python: `import bozzetto

scenes = [${scenes(state).map(python).join(", ")}]
pictures = [bozzetto.generate(scene, seed=${seed}, ${how})[0] for scene in scenes]`,
      };
    case "tale":
      return {
        python: `import bozzetto

story = bozzetto.write(${python(state.tale.trim())}, seed=${seed})
first, *_, last = story.rstrip(".").split(". ")
how = dict(seed=${seed}, ${how})
pictures = [bozzetto.generate(scene, layers=None, **how)[0] for scene in (first, last)]
for word in bozzetto.ask(pictures[0], ${python(CAPTION)}):
    print(word.text)`,
      };
    case "sound": {
      const words = state.sound.trim();
      return {
        python: `import bozzetto

sound = bozzetto.sound(${python(words)}, seed=${seed})
bozzetto.save_wav(sound, "sound.wav")`,
        shell: `bozzetto sound ${shellWord(words)} --seed ${seed} -o sound.wav`,
      };
    }
    case "clip": {
      const words = state.clip.trim();
      return {
        python: `import bozzetto

frames = bozzetto.film(${python(words)}, seed=${seed})
bozzetto.save_film(frames, "clip.webp")`,
        shell: `bozzetto film ${shellWord(words)} --seed ${seed} -o clip.webp`,
      };
    }
    case "find":
      return {
        python: `import bozzetto

path, score = bozzetto.find(${python(state.find.trim())}, "pictures")[0]
for word in bozzetto.ask(path, ${python(CAPTION)}):
    print(word.text)`,
      };
    case "ask":
      return {
        python: `import bozzetto

for word in bozzetto.ask("picture.png", ${python(state.ask.trim())}):
    print(word.text, word.probability)`,
        shell: `bozzetto ask picture.png ${shellWord(state.ask.trim())}`,
      };
  }
}
