// What a reviewer would have to look for otherwise. A rule that is off, or narrower than its set has it, says why.
import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import globals from "globals";
import typescript from "typescript-eslint";

// Who may know whom: app → features → ui, api, texts. Of the app, features see the address, the session and the registers.
const closed = (message, regex) => ["error", { patterns: [{ regex, message }] }];

export default defineConfig(
  { ignores: ["dist", "src/api/schema.ts"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  { files: ["scripts/**", "*.js"], languageOptions: { globals: globals.node } },
  {
    files: ["src/**/*.{ts,tsx}", "*.ts"],
    extends: [
      typescript.configs.strictTypeChecked,
      typescript.configs.stylisticTypeChecked,
      hooks.configs.flat["recommended-latest"],
      a11y.flatConfigs.strict,
    ],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // A shape is written `type` here: it cannot be opened again and added to from elsewhere.
      "@typescript-eslint/consistent-type-definitions": ["error", "type"],
      // `onClick={() => setOpen(true)}` gives its nothing to nobody.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // A number in a sentence or an address reads as itself; objects, undefined and null are still refused.
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        {
          allowNumber: true,
          allowAny: false,
          allowBoolean: false,
          allowNever: false,
          allowNullish: false,
          allowRegExp: false,
        },
      ],
      // What scrolls must take the focus, or the keyboard cannot scroll it; such a box is a named region or group.
      "jsx-a11y/no-noninteractive-tabindex": ["error", { tags: [], roles: ["region", "group"] }],
      // Off: the field of a dialog that was opened for it, and the code after the password, are where the person is going.
      "jsx-a11y/no-autofocus": "off",
      // A table whose rows the keys walk through is a grid; it stays a table of rows and cells.
      "jsx-a11y/no-noninteractive-element-to-interactive-role": ["error", { table: ["grid"] }],
      // Off: it warns of what the React compiler would skip, which is no part of this build.
      "react-hooks/incompatible-library": "off",
      // Clicks and keys only: a file may be dropped on the form whose button chooses one.
      "jsx-a11y/no-noninteractive-element-interactions": [
        "error",
        { handlers: ["onClick", "onMouseDown", "onMouseUp", "onKeyPress", "onKeyDown", "onKeyUp"] },
      ],
    },
  },
  {
    files: ["src/features/**"],
    rules: {
      "no-restricted-imports": closed(
        "A feature knows ui, api, texts, and of the app what app/router, app/session, app/registers and app/shown say.",
        "^\\.\\./(?!\\.\\./)|^\\.\\./\\.\\./(?!ui/|api/|texts/|app/(router|session|registers|shown)$)",
      ),
    },
  },
  {
    files: ["src/ui/**", "src/api/**", "src/texts/**"],
    rules: { "no-restricted-imports": closed("ui, api and texts know no page.", "^\\.\\./(app|features)/") },
  },
);
