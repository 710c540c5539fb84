import { defineConfig } from "vite";

// JSX by esbuild's own transform: no plug-in needed.
export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
