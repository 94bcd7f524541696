/** The page's one worker. It lies in assets/js/ of the site. */
import { openSession } from "./session.js";
import { Models } from "./models.js";
import { serve } from "./serve.js";

const { href } = self.location;
const ort = new URL("../ort/", href);
const models = new Models(new URL("../../models/", href), (graph, weights) => openSession(ort, graph, weights));
serve(self, models);
