// A classic script in <head>: the chosen theme is there before the first paint.
import { pageStorage, Progress } from "./core/progress.js";

const theme = new Progress(pageStorage()).theme;
if (theme) document.documentElement.dataset.theme = theme;
// Browsers refuse modules to pages that were opened as files; the page says what to do.
if (location.protocol === "file:") document.documentElement.dataset.fromFile = "";
// In a frame of another page there are no teachers.
if (top !== self) document.documentElement.dataset.framed = "";
