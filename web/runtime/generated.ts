// Written by scripts/generate_ts.py from the Python sources: change those, and run it again.

/** Folders of the models that the site serves. */
export const MODELS = [
  "autoencoder/encoder",
  "autoencoder/decoder",
  "clip/text",
  "clip/order",
  "clip/image",
  "text_to_image",
  "vlm",
  "vae/encoder",
  "vae/decoder",
  "vae/plain_encoder",
  "vae/plain_decoder",
  "vae/map_encoder",
  "vae/map_decoder",
  "vae/plain_map_encoder",
  "vae/plain_map_decoder",
  "vae/sampler",
  "diffusion",
  "few_steps",
  "memoriser",
  "gan_round",
] as const;

/** How often each asks the network in a step but the last; whether it draws noise. */
export const SAMPLER_FACTS = {
  "euler": {"evaluations": 1, "stochastic": false},
  "heun": {"evaluations": 2, "stochastic": false},
  "dpmpp_2m": {"evaluations": 1, "stochastic": false},
  "unipc": {"evaluations": 1, "stochastic": false},
  "ddim": {"evaluations": 1, "stochastic": false},
  "ddpm": {"evaluations": 1, "stochastic": true},
  "euler_ancestral": {"evaluations": 1, "stochastic": true},
  "dpmpp_2m_sde": {"evaluations": 1, "stochastic": true},
} as const;

/** In how many steps a few-step student has learned to draw. */
export const JUMPS = [1, 2, 4, 8] as const;

/** How a picture is best steered by words. */
export const STEERED = {"sampler": "ddpm", "num_inference_steps": 25, "clip_guidance_scale": 15.0} as const;

/** The highest that may be asked for; of a prompt and of a question, in characters. */
export const LIMITS = {
  "guidance_scale": 30.0,
  "clip_guidance_scale": 100.0,
  "prompt": 300,
  "question": 300,
} as const;

/** Styles of drawing, as text-to-image numbers them from 1. */
export const STYLES = [
  "noto",
  "noto-v1",
  "twemoji",
  "fluent-flat",
  "fluent",
  "fluent-3d",
  "emojione",
  "fxemoji",
] as const;

/** Tokens that the text tower reads, [start] and padding among them. */
export const CONTEXT_LENGTH = 24 as const;

/** Of the names of emoji, data/emoji.tsv of the site. */
export const EMOJI_BYTES = 39048 as const;

/** Pixels a side of a picture. */
export const FRAME = 64 as const;

/** Of what text-to-image denoises. */
export const LATENT_SHAPE = [8, 16, 16] as const;

/** How often a painted part is noised and denoised again, and how strongly. */
export const ROUNDS = {"count": 4, "strength": 0.6} as const;

/** Of the small makers' pictures: planes R, G, B. */
export const SMALL_SHAPE = [3, 32, 32] as const;

/** The vision-language model's patches of a picture, tokens around an answer, and tokens in one at most. */
export const VLM = {"patches": 64, "start": 1, "end": 0, "tokens": 24} as const;

/** The GAN that trains in the page: its pictures' side, their kinds, and how near a picture of a kind is. */
export const GAN_ROUND = {
  "size": 16,
  "shapes": ["ring", "square", "triangle", "cross"],
  "colours": {"red": [225, 45, 57], "yellow": [250, 195, 20], "green": [40, 160, 80], "blue": [45, 95, 215]},
  "near": 0.3,
} as const;

/** Colours by the names that the models know. */
export const PALETTE = {
  "black": "#141414",
  "gray": "#8c8c8c",
  "white": "#ffffff",
  "red": "#de2d2d",
  "orange": "#fa8c19",
  "yellow": "#fcd630",
  "green": "#3ea842",
  "blue": "#2d6ee1",
  "purple": "#8a42be",
  "pink": "#fa8cbe",
  "brown": "#845432",
} as const;

/** What the picture world calls a noun of a scene, where that is not the noun itself. */
export const CONCEPTS = {
  "monkey": "monkey face",
  "dog": "dog face",
  "cat": "cat face",
  "tiger": "tiger face",
  "horse": "horse face",
  "cow": "cow face",
  "pig": "pig face",
  "sheep": "ewe",
  "rhino": "rhinoceros",
  "hippo": "hippopotamus",
  "mouse": "mouse face",
  "rabbit": "rabbit face",
  "chick": "baby chick",
  "dragon": "dragon face",
  "dinosaur": "sauropod",
  "shell": "spiral shell",
  "caterpillar": "bug",
  "bee": "honeybee",
  "ladybug": "lady beetle",
  "tree": "deciduous tree",
  "pine tree": "evergreen tree",
  "clover": "four leaf clover",
  "apple": "red apple",
  "kiwi": "kiwi fruit",
  "pepper": "bell pepper",
  "baguette": "baguette bread",
  "cocktail": "cocktail glass",
  "knife": "kitchen knife",
  "car": "automobile",
  "truck": "delivery truck",
  "scooter": "kick scooter",
  "wheelchair": "manual wheelchair",
  "traffic light": "vertical traffic light",
  "suitcase": "luggage",
  "hourglass": "hourglass done",
  "moon": "crescent moon",
  "planet": "ringed planet",
  "gift": "wrapped gift",
  "pumpkin": "jack-o-lantern",
  "medal": "sports medal",
  "football": "american football",
  "tennis racket": "tennis",
  "frisbee": "flying disc",
  "die": "game die",
  "cap": "billed cap",
  "sandal": "thong sandal",
  "sneaker": "running shoe",
  "boot": "hiking boot",
  "gem": "gem stone",
  "phone": "mobile phone",
  "lantern": "red paper lantern",
  "magnifying glass": "magnifying glass tilted left",
  "book": "closed book",
  "folder": "file folder",
  "ruler": "straight ruler",
  "lock": "locked",
  "saw": "carpentry saw",
  "heart": "red heart",
} as const;

/** Plurals of these nouns that are not made with an s. */
export const PLURALS = {
  "wolf": "wolves",
  "fox": "foxes",
  "moose": "moose",
  "deer": "deer",
  "bison": "bison",
  "sheep": "sheep",
  "mouse": "mice",
  "goose": "geese",
  "fish": "fish",
  "blowfish": "blowfish",
  "octopus": "octopuses",
  "jellyfish": "jellyfish",
  "shrimp": "shrimp",
  "squid": "squid",
  "butterfly": "butterflies",
  "cockroach": "cockroaches",
  "mosquito": "mosquitoes",
  "fly": "flies",
  "hibiscus": "hibiscuses",
  "cactus": "cactuses",
  "maple leaf": "maple leaves",
  "mango": "mangoes",
  "peach": "peaches",
  "strawberry": "strawberries",
  "tomato": "tomatoes",
  "potato": "potatoes",
  "sandwich": "sandwiches",
  "candy": "candies",
  "wine glass": "wine glasses",
  "knife": "knives",
  "compass": "compasses",
  "volcano": "volcanoes",
  "church": "churches",
  "factory": "factories",
  "bus": "buses",
  "hourglass": "hourglasses",
  "watch": "watches",
  "trophy": "trophies",
  "die": "dice",
  "dress": "dresses",
  "scarf": "scarves",
  "battery": "batteries",
  "magnifying glass": "magnifying glasses",
  "paintbrush": "paintbrushes",
  "wrench": "wrenches",
  "toolbox": "toolboxes",
  "toothbrush": "toothbrushes",
  "tooth": "teeth",
} as const;

/** Of nouns whose first letter does not tell it. */
export const ARTICLES = {"unicorn": "a", "hourglass": "an"} as const;
