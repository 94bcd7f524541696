/** The colours by the names that the models know: to paint with, and to stand behind a scene (world/scenes.py). */
export const PALETTE: Record<string, string> = {
  black: "#141414",
  gray: "#8c8c8c",
  white: "#ffffff",
  red: "#de2d2d",
  orange: "#fa8c19",
  yellow: "#fcd630",
  green: "#3ea842",
  blue: "#2d6ee1",
  purple: "#8a42be",
  pink: "#fa8cbe",
  brown: "#845432",
};
