// OpenAI's own client for Node, as it is: node client.mjs ADDRESS PICTURE. What it was told goes out as one JSON object.
import { createReadStream, readFileSync } from "node:fs";
import OpenAI from "openai";

const [address, picture] = process.argv.slice(2);
const client = new OpenAI({ apiKey: "any", baseURL: `${address}v1`, maxRetries: 0 });
const uri = `data:image/png;base64,${readFileSync(picture).toString("base64")}`;

const all = async (stream) => {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
};

const robot = { prompt: "a happy robot", seed: 7, num_inference_steps: 4 };
const generated = await client.images.generate(robot);
const streamed = await all(await client.images.generate({ ...robot, stream: true, partial_images: 2 }));

const hat = { prompt: "a hat", seed: 9, num_inference_steps: 4 };
const edited = await client.images.edit({ ...hat, image: createReadStream(picture) });
const editing = { ...hat, image: createReadStream(picture), stream: true, partial_images: 1 };
const editStreamed = await all(await client.images.edit(editing));

const words = { model: "clip", input: ["a red apple", uri] };
const embed = async (more) => (await client.embeddings.create({ ...words, ...more })).data.map((row) => row.embedding);
const byDefault = await embed({}); // as base64, which the client reads
const floats = await embed({ encoding_format: "float" });

const content = [
  { type: "text", text: "what color is the apple?" },
  { type: "image_url", image_url: { url: uri } },
];
const chat = { model: "vlm", messages: [{ role: "user", content }] };
const answer = await client.chat.completions.create(chat);
const chunks = await all(await client.chat.completions.create({ ...chat, stream: true }));

const refused = await client.images.generate({ prompt: "a dog", colour: "red" }).catch((error) => error);

const told = {
  models: (await all(client.models.list())).map((model) => model.id),
  generated: generated.data[0],
  streamed,
  edited: edited.data[0],
  editStreamed,
  byDefault,
  floats,
  answer: answer.choices[0].message.content,
  answerStreamed: chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""),
  refused: { status: refused.status, param: refused.param, isBadRequest: refused instanceof OpenAI.BadRequestError },
};
process.stdout.write(JSON.stringify(told));
