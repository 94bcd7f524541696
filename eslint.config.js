// The page's TypeScript: the recommended rules that know the types.
import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

export default defineConfig(
  { ignores: ["node_modules", "src", "data", "out", "build", "dist", ".venv", "**/*.mjs", "eslint.config.js"] },
  js.configs.recommended,
  ts.configs.recommendedTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  {
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "before", "after"] }] },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
    },
  },
  // What stands in for something slow is quick.
  { files: ["web/**/*.test.ts", "web/runtime/testing.ts"], rules: { "@typescript-eslint/require-await": "off" } },
);
