import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { ApiProblem } from "./api/client";
import { App } from "./app/App";
import { RouterProvider } from "./app/router";
import { LanguageProvider } from "./texts/context";
import "@digital-go-jp/design-tokens/dist/tokens.css";
import "./ui/style.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (count, error) => count < 2 && error instanceof ApiProblem && error.status === 0,
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no root");
createRoot(root).render(
  <QueryClientProvider client={client}>
    <LanguageProvider>
      <RouterProvider>
        <App />
      </RouterProvider>
    </LanguageProvider>
  </QueryClientProvider>,
);
